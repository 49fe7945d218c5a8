import { parseJson } from '../../core/objects.ts';
import { isJsonType } from './json-body.ts';
import type { Preset } from './preset.ts';
import { headerText, hubSignature, isSigned, MISSING_SIGNATURE, proveToken, shownCredential, WRONG_SIGNATURE } from './proof.ts';

const BINARY = 'application/octet-stream';

/** Whatever sends a body and a token, or a signature of the body. Anything is taken as it is; what is JSON fills the template. */
export const generic: Preset = {
  name: 'generic',
  topic: '{base}/{event}',
  takes: () => true,
  prove({ headers }, { secrets, generic: { header, hmac, encoding } }) {
    if (hmac === undefined)
      return proveToken(header === undefined ? shownCredential(headers) : headerText(headers, header)?.replace(/^bearer +/i, ''), secrets);
    const signature = headerText(headers, header ?? 'x-signature');
    if (signature === undefined) return MISSING_SIGNATURE;
    const bare = signature.replace(new RegExp(`^${hmac}=`, 'i'), '');
    const shown = encoding === 'hex' ? hubSignature(`${hmac}=${bare}`, hmac) : [Buffer.from(bare, 'base64')];
    return (body) => (isSigned(shown, secrets, hmac, body) ? undefined : WRONG_SIGNATURE);
  },
  read({ headers, contentType, body }, { generic: { idHeader, eventHeader } }) {
    return {
      fields: { event: eventHeader === undefined ? undefined : headerText(headers, eventHeader) },
      payload: body,
      contentType: headerText(headers, 'content-type') ?? BINARY,
      data: isJsonType(contentType) || mayBeJson(body) ? parseJson(body) : undefined,
      repeatId: idHeader === undefined ? undefined : headerText(headers, idHeader),
    };
  },
};

/** Scripts often leave the content type as it is: curl then says that it is a form. */
function mayBeJson(body: Buffer): boolean {
  return /^\s*[{[]/.test(body.toString('latin1', 0, 64));
}
