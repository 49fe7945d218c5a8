import { z } from 'zod';
import { topicFault } from '../wire/topic.ts';

/** A topic that is published to, or the first levels of one. */
export function topicOption() {
  return z.string().superRefine((value, context) => {
    const why = topicFault(value);
    if (why) context.addIssue({ code: 'custom', message: `${JSON.stringify(value)} is no topic: ${why}` });
  });
}
