import { HydrantError } from '../../core/errors.ts';
import { isJsonType, JSON_TYPE, parseObject, textAt } from './json-body.ts';
import type { Preset } from './preset.ts';
import { headerText, hubSignature, isSigned, MISSING_SIGNATURE, WRONG_SIGNATURE } from './proof.ts';

const SCHEMAS: Record<string, string> = {
  'bug:0.1': 'bug',
  'bug:comment:0.1': 'bug-comment',
  'git:push:0.1': 'git-push',
  'merge-proposal:0.1': 'merge-proposal',
  ping: 'ping',
};

/** Launchpad. Its types stay as they are, version and all: what the source `launchpad` makes of mail is something else, on other topics. */
export const launchpadHooks: Preset = {
  name: 'launchpad',
  topic: '{base}/{project...}/{event}/{number}',
  takes: isJsonType,
  prove({ headers }, { secrets }) {
    const header = headerText(headers, 'x-hub-signature');
    if (header === undefined) return MISSING_SIGNATURE;
    return (body) => (isSigned(hubSignature(header, 'sha1'), secrets, 'sha1', body) ? undefined : WRONG_SIGNATURE);
  },
  read({ headers, body }) {
    const event = headerText(headers, 'x-launchpad-event-type');
    if (event === undefined)
      throw new HydrantError('HYD_USAGE', 'X-Launchpad-Event-Type is missing', { fix: 'Send what Launchpad sends.' });
    const data = parseObject(body);
    const where = ['target', 'git_repository_path', 'git_repository', 'bzr_branch_path', 'recipe', 'snap', 'livefs', 'archive'];
    const project = where.map((name) => textAt(data, name)).find((text) => text !== undefined);
    const [, proposal] = /^(.*)\/\+merge\/(\d+)$/.exec(textAt(data, 'merge_proposal') ?? '') ?? [];
    return {
      fields: {
        event,
        project: project ?? proposal,
        number: numberOf(textAt(data, 'bug') ?? textAt(data, 'merge_proposal')),
        action: textAt(data, 'action'),
      },
      payload: body,
      contentType: JSON_TYPE,
      data,
      repeatId: headerText(headers, 'x-launchpad-delivery'),
      schema: `webhook.launchpad-${Object.hasOwn(SCHEMAS, event) ? SCHEMAS[event] : 'event'}`,
    };
  },
};

/** The last level of `/bugs/1680938` and `/~ada/octavia/+git/octavia/+merge/512`. */
function numberOf(path: string | undefined): string | undefined {
  return /\/(\d+)$/.exec(path ?? '')?.[1];
}
