import { createPrivateKey, type KeyObject } from 'node:crypto';
import { errorText, HydrantError } from '../../core/errors.ts';

export type SigningAlgorithm = 'RS256' | 'ES256';

/** A private key, and what it signs with. */
export interface SigningKey {
  readonly key: KeyObject;
  readonly algorithm: SigningAlgorithm;
}

export interface KeyOptions {
  /** Of a key that is encrypted. */
  passphrase?: string;
  /** Default: what the key is made for. */
  algorithm?: SigningAlgorithm;
}

const WANTED = 'a private key in PEM is expected (PKCS#8, PKCS#1 or SEC1)';
const MAKE_EC = 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem';
const MAKE_RSA = 'openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem';
/** RFC 7518 §3.3. */
const MIN_RSA_BITS = 2048;
/** The label of a block in PEM. */
const LABEL = /-----BEGIN ([A-Z0-9 ]+)-----/g;
const PRIVATE_LABEL = /^(?:RSA |EC |ENCRYPTED )?PRIVATE KEY$/;
const PRIVATE_BLOCK = /-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----[\s\S]+?-----END \1-----/;

/**
 * Reads a private key: PEM in PKCS#8, PKCS#1 or SEC1, encrypted or not, alone or among certificates.
 * @param name what it is called in an error, which never says anything of what is in it
 * @throws HYD_CREDENTIALS saying what it is instead
 */
export function readPrivateKey(pem: string | Buffer, name: string, options: KeyOptions = {}): SigningKey {
  const bytes = Buffer.from(pem);
  const block = PRIVATE_BLOCK.exec(bytes.toString('latin1'))?.[0];
  if (block === undefined) throw notPrivate(bytes, name);
  const isEncrypted = /ENCRYPTED/.test(block);
  if (isEncrypted && options.passphrase === undefined) {
    throw fault(
      `${name} is encrypted, and no passphrase is given`,
      'Give `passphrase`, or decrypt it: openssl pkey -in key.pem -out plain.pem',
    );
  }
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: block, passphrase: options.passphrase });
  } catch (error) {
    // OpenSSL cannot tell a wrong passphrase from bytes that are damaged.
    const why = isEncrypted ? 'cannot be decrypted: the passphrase is wrong, or the key is damaged' : `is damaged: ${errorText(error)}`;
    throw new HydrantError('HYD_CREDENTIALS', `${name} ${why}`, { fix: 'Compare it with the key that was made for this device.' });
  }
  return assertSigning(key, name, options.algorithm);
}

/** @throws HYD_CREDENTIALS when it cannot sign, or not with that algorithm */
export function assertSigning(key: KeyObject, name: string, wanted?: SigningAlgorithm): SigningKey {
  if (key.type !== 'private') throw fault(`${name} is a ${key.type} key; ${WANTED}`);
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (wanted === 'ES256') throw fault(`${name} is an RSA key, and ES256 signs with one on the curve P-256`, MAKE_EC);
      if (modulusLength < MIN_RSA_BITS)
        throw fault(`${name} is an RSA key of ${modulusLength} bits, and RS256 wants at least ${MIN_RSA_BITS}`, MAKE_RSA);
      return { key, algorithm: 'RS256' };
    case 'ec':
      if (wanted === 'RS256') throw fault(`${name} is a key on the curve ${namedCurve}, and RS256 signs with an RSA key`, MAKE_RSA);
      if (namedCurve !== 'prime256v1')
        throw fault(`${name} is a key on the curve ${namedCurve}, and ES256 wants P-256 (prime256v1)`, MAKE_EC);
      return { key, algorithm: 'ES256' };
    default:
      throw fault(`${name} is a key of type ${key.asymmetricKeyType}; RS256 wants RSA, ES256 a key on the curve P-256`, MAKE_EC);
  }
}

/** @param fix a command, or a sentence */
function fault(message: string, fix: string = MAKE_EC): HydrantError {
  return new HydrantError('HYD_CREDENTIALS', message, { fix: fix.startsWith('openssl') ? `Make one with: ${fix}` : fix });
}

function notPrivate(bytes: Buffer, name: string): HydrantError {
  const [what, fix] = recognize(bytes);
  return fault(`${name} ${what}; ${WANTED}`, fix ?? 'Give the private key that belongs to it.');
}

/** What bytes without a private key in PEM are. */
function recognize(bytes: Buffer): [what: string, fix?: string] {
  if (bytes.length === 0) return ['is empty', 'Wait until it is written, or write it again.'];
  const text = bytes.toString('latin1').trimStart();
  const labels = [...text.matchAll(LABEL)].map(([, label]) => label!);
  const has = (end: string): boolean => labels.some((label) => label.endsWith(end));
  if (labels.some((label) => PRIVATE_LABEL.test(label))) return ['is cut off before its end', 'Write it again, whole.'];
  if (has('OPENSSH PRIVATE KEY')) return ['is a private key in the format of OpenSSH', 'Convert it: ssh-keygen -p -m PEM -f FILE'];
  if (has('PUBLIC KEY') || /^(?:ssh-|ecdsa-)/.test(text)) return ['is a public key'];
  if (has('CERTIFICATE')) return ['is a certificate'];
  if (has('CERTIFICATE REQUEST')) return ['is a request for a certificate'];
  if (has('EC PARAMETERS'))
    return ['has the parameters of a curve and no key', 'Make one with: openssl ecparam -name prime256v1 -genkey -noout -out key.pem'];
  if (labels.length > 0) return [`is a ${labels[0]}`];
  if (text.startsWith('{')) return ['is JSON'];
  if (text.startsWith('PuTTY'))
    return ['is a key in the format of PuTTY', 'Export it as an OpenSSH key, then convert it: ssh-keygen -p -m PEM -f FILE'];
  if (bytes[0] === 0x30) return ['is DER, which is binary', 'Convert it: openssl pkey -inform DER -in key.der -out key.pem'];
  return ['is something else'];
}
