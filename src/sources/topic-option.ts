import { z } from 'zod';
import { topicFault } from '../wire/topic.ts';

/** What brokers keep to themselves; others that begin with `$`, such as `$aws`, are for them to say. */
const OF_BROKERS = /^\$(SYS|share|hydrant|history)(\/|$)/;

/** A topic that is published to, or the first levels of one. */
export function topicOption() {
  return z.string().superRefine((value, context) => {
    const why = topicFault(value) ?? (OF_BROKERS.test(value) ? 'a broker takes no publish there' : undefined);
    if (why) context.addIssue({ code: 'custom', message: `${JSON.stringify(value)} is no topic: ${why}` });
  });
}
