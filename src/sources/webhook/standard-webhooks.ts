import type { IncomingHttpHeaders } from 'node:http';
import { isJsonType, JSON_TYPE, parseObject, textAt, timeAt } from './json-body.ts';
import type { Preset, Verdict } from './preset.ts';
import { headerText, isSigned, MISSING_SIGNATURE, WRONG_SIGNATURE } from './proof.ts';

const PREFIX = 'whsec_';
/** Of a key, as the specification has it at least. */
const MIN_KEY_BYTES = 24;

/** Any sender that keeps to https://www.standardwebhooks.com, with symmetric signatures. */
export const standardWebhooks: Preset = {
  name: 'standard-webhooks',
  topic: '{base}/{event}',
  secretFault: signingKeyFault,
  takes: isJsonType,
  prove: ({ headers }, { secrets, toleranceMs }, nowMs) => proveStandard(headers, secrets, { toleranceMs, nowMs }),
  read({ headers, body }) {
    const data = parseObject(body);
    return {
      fields: { event: textAt(data, 'type') },
      payload: body,
      contentType: JSON_TYPE,
      data,
      repeatId: headerText(headers, 'webhook-id'),
      schema: 'webhook.standard',
      timeMs: timeAt(data, 'timestamp'),
    };
  },
};

/**
 * Looks at `webhook-signature`, which covers id, time and body: a repeat at another time, or under another id, needs the secret.
 * @param clock how far the time may be from now, either way
 */
export function proveStandard(
  headers: IncomingHttpHeaders,
  secrets: readonly string[],
  clock: { toleranceMs: number; nowMs: number },
): Verdict | ((body: Buffer) => Verdict) {
  const [id, time, signature] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => headerText(headers, name));
  if (id === undefined || time === undefined || signature === undefined) return MISSING_SIGNATURE;
  if (!/^\d{1,12}$/.test(time)) return 'a timestamp is no number';
  if (Math.abs(Number(time) * 1000 - clock.nowMs) > clock.toleranceMs) return 'a timestamp is outside of the tolerance';
  const shown = signature.split(/[ ,]+(?=v)/).flatMap((one) => (one.startsWith('v1,') ? [Buffer.from(one.slice(3), 'base64')] : []));
  return (body) => (isSigned(shown, secrets.map(signingKey), 'sha256', `${id}.${time}.`, body) ? undefined : WRONG_SIGNATURE);
}

export function isSigningSecret(secret: string): boolean {
  return secret.startsWith(PREFIX);
}

/** What is wrong with a signing secret. */
export function signingKeyFault(secret: string): string | undefined {
  const text = isSigningSecret(secret) ? secret.slice(PREFIX.length) : secret;
  if (!/^[\w+/-]+={0,2}$/.test(text)) return 'it is not whsec_ and base64';
  const bytes = signingKey(secret).length;
  return bytes < MIN_KEY_BYTES ? `it has ${bytes} bytes, and a signing secret has ${MIN_KEY_BYTES} at least` : undefined;
}

function signingKey(secret: string): Buffer {
  return Buffer.from(isSigningSecret(secret) ? secret.slice(PREFIX.length) : secret, 'base64');
}
