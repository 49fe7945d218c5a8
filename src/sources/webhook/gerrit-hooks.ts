import { HydrantError } from '../../core/errors.ts';
import { idOf, readEvent, topicOf } from '../gerrit/gerrit-event.ts';
import { schemaOf } from '../gerrit/schemas.ts';
import { isJsonType, JSON_TYPE } from './json-body.ts';
import type { Preset } from './preset.ts';
import { proveToken, shownCredential } from './proof.ts';

/**
 * The webhooks plugin of Gerrit: the events of the stream, on the same topics and under the same ids as the source `gerrit` has them. The plugin
 * shows what stands in its URL and no more, so the secret is `?token=`, or the password of a proxy in between.
 */
export const gerritHooks: Preset = {
  name: 'gerrit',
  topic: '',
  takes: (contentType) => isJsonType(contentType) || contentType === '' || contentType === 'text/plain',
  prove: ({ headers, query }, { secrets }) => proveToken(query.get('token') ?? shownCredential(headers), secrets),
  read({ body }, { base }) {
    const event = readEvent(body);
    if (!event) throw new HydrantError('HYD_USAGE', 'a body is no JSON object', { fix: 'Send what the webhooks plugin of Gerrit sends.' });
    const { payload, data, type, createdS } = event;
    const id = idOf(event);
    return {
      fields: { event: type },
      payload,
      contentType: JSON_TYPE,
      data,
      repeatId: id,
      eventId: id,
      topic: topicOf(event, base),
      schema: schemaOf(type),
      timeMs: createdS === undefined ? undefined : createdS * 1000,
    };
  },
};
