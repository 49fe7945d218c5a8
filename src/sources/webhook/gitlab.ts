import { createHash } from 'node:crypto';
import { isJsonType, JSON_TYPE, parseObject, textAt } from './json-body.ts';
import type { Message, Preset } from './preset.ts';
import { headerText, proveToken } from './proof.ts';
import { isSigningSecret, proveStandard, signingKeyFault } from './standard-webhooks.ts';

const KNOWN = new Set(['push', 'tag_push', 'merge_request', 'note', 'issue', 'pipeline', 'build', 'release']);

/** GitLab, by its secret token or, where the secret begins with `whsec_`, by its signing token. */
export const gitlab: Preset = {
  name: 'gitlab',
  topic: '{base}/{project...}/{event}',
  secretFault: (secret) => (isSigningSecret(secret) ? signingKeyFault(secret) : undefined),
  takes: isJsonType,
  prove({ headers }, { secrets, toleranceMs }, nowMs) {
    const signing = secrets.filter(isSigningSecret);
    const isSignatureShown = headerText(headers, 'webhook-signature') !== undefined;
    const tokens = secrets.filter((secret) => !isSigningSecret(secret));
    if (signing.length > 0 && (isSignatureShown || tokens.length === 0)) return proveStandard(headers, signing, { toleranceMs, nowMs });
    return proveToken(headerText(headers, 'x-gitlab-token'), tokens);
  },
  read(message) {
    const data = parseObject(message.body);
    const event = textAt(data, 'object_kind') ?? textAt(data, 'event_name');
    return {
      fields: {
        event: event ?? headerText(message.headers, 'x-gitlab-event'),
        project: textAt(data, 'project.path_with_namespace') ?? textAt(data, 'path_with_namespace') ?? textAt(data, 'group_path'),
        action: textAt(data, 'object_attributes.action') ?? textAt(data, 'action'),
      },
      payload: message.body,
      contentType: JSON_TYPE,
      data,
      repeatId: repeatId(message),
      schema: `webhook.gitlab-${event !== undefined && KNOWN.has(event) ? event : 'event'}`,
    };
  },
};

/** Events that a hook itself sets off share their UUID with the first, so before GitLab 17.4 the body has to tell them apart. */
function repeatId({ headers, body }: Message): string | undefined {
  const key = headerText(headers, 'webhook-id') ?? headerText(headers, 'idempotency-key');
  if (key !== undefined) return key;
  const uuid = headerText(headers, 'x-gitlab-event-uuid');
  return uuid && `${uuid} ${createHash('sha256').update(body).digest('hex')}`;
}
