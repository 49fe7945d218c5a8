import { HydrantError } from '../../core/errors.ts';
import { isJsonType, JSON_TYPE, parseObject, textAt } from './json-body.ts';
import type { Preset } from './preset.ts';
import { headerText, hubSignature, isSigned, MISSING_SIGNATURE, WRONG_SIGNATURE } from './proof.ts';

const FORM = 'application/x-www-form-urlencoded';
const KNOWN = new Set([
  'push',
  'pull_request',
  'pull_request_review',
  'issues',
  'issue_comment',
  'check_run',
  'workflow_run',
  'release',
  'ping',
]);

/** GitHub, github.com or Enterprise; Gitea and Forgejo sign and name their events the same way. */
export const github: Preset = {
  name: 'github',
  topic: '{base}/{project...}/{event}',
  takes: (contentType) => isJsonType(contentType) || contentType === FORM,
  prove({ headers }, { secrets }) {
    const header = headerText(headers, 'x-hub-signature-256');
    if (header === undefined) return MISSING_SIGNATURE;
    return (body) => (isSigned(hubSignature(header, 'sha256'), secrets, 'sha256', body) ? undefined : WRONG_SIGNATURE);
  },
  read({ headers, contentType, body }) {
    const event = headerText(headers, 'x-github-event');
    if (event === undefined) throw new HydrantError('HYD_USAGE', 'X-GitHub-Event is missing', { fix: 'Send what GitHub sends.' });
    const payload = contentType === FORM ? unwrap(body) : body;
    const data = parseObject(payload);
    return {
      fields: {
        event,
        project: textAt(data, 'repository.full_name') ?? textAt(data, 'organization.login'),
        action: textAt(data, 'action'),
      },
      payload,
      contentType: JSON_TYPE,
      data,
      repeatId: headerText(headers, 'x-github-delivery'),
      schema: `webhook.github-${KNOWN.has(event) ? event : 'event'}`,
    };
  },
};

/** In a form the JSON is the field `payload`. */
function unwrap(body: Buffer): Buffer {
  const payload = new URLSearchParams(body.toString()).get('payload');
  if (payload === null)
    throw new HydrantError('HYD_USAGE', 'a form has no field payload', { fix: 'Choose application/json as content type of the hook.' });
  return Buffer.from(payload);
}
