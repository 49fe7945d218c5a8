import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { errorText, HydrantError, systemCode } from '../core/errors.ts';
import type { Config } from './config-schema.ts';

/** The files of the section `tls`, read and found to fit together. */
export interface TlsFiles {
  /** What Node's TLS takes. */
  context: SecureContextOptions;
  /** SHA-256 of the server certificate, hex with colons. */
  fingerprint: string;
  /** Host names and addresses in it, `localhost, 127.0.0.1`. */
  names: string;
  expiresAtMs: number;
  /** Why clients will not take it now, though it can be shown; undefined when they will. */
  warning: string | undefined;
}

const PEM_BLOCK = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/**
 * Reads certificate, key and authorities and checks that they belong together.
 * @param tls with `cert` and `key`
 * @throws HYD_CONFIG naming the key of the configuration, the file and the fix
 */
export function readTlsFiles(tls: Config['tls'], nowMs: number): TlsFiles {
  const cert = readPem('tls.cert', tls.cert!);
  const key = readPem('tls.key', tls.key!);
  const ca = tls.ca === undefined ? undefined : readPem('tls.ca', tls.ca);
  const [certificate] = readCertificates('tls.cert', tls.cert!, cert);
  if (ca !== undefined) readCertificates('tls.ca', tls.ca!, ca);
  if (!certificate!.checkPrivateKey(readKey(tls.key!, key))) {
    throw new HydrantError('HYD_CONFIG', `tls.key ${tls.key} is not the key of the certificate in tls.cert ${tls.cert}`, {
      fix: 'Give the key with which this certificate was made; the server certificate comes first in tls.cert, those of its authorities after it.',
    });
  }
  const context = { cert, key, ca, minVersion: tls.minVersion };
  try {
    createSecureContext(context);
  } catch (error) {
    throw new HydrantError('HYD_CONFIG', `tls.cert ${tls.cert} and tls.key ${tls.key} cannot be used: ${errorText(error)}`, {
      cause: error,
      fix: 'Give PEM with each BEGIN and END on a line of its own, made with an ECDSA P-256 key or an RSA key of 2048 bits or more.',
    });
  }
  return describe(certificate!, context, tls.cert!, nowMs);
}

function describe(certificate: X509Certificate, context: SecureContextOptions, file: string, nowMs: number): TlsFiles {
  const { fingerprint256: fingerprint, subjectAltName, subject, validFromDate, validToDate } = certificate;
  const names = subjectAltName?.replaceAll(/\b(?:DNS|IP Address):/g, '') ?? subject.replaceAll('\n', ', ');
  const warning =
    validToDate.getTime() <= nowMs
      ? `the certificate in tls.cert ${file} has expired on ${validToDate.toISOString()}`
      : validFromDate.getTime() > nowMs
        ? `the certificate in tls.cert ${file} is not valid before ${validFromDate.toISOString()}`
        : undefined;
  return { context, fingerprint, names, expiresAtMs: validToDate.getTime(), warning };
}

/** @throws HYD_CONFIG naming the key of the configuration and the file */
export function readPem(path: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const fix =
      systemCode(error) === 'EACCES'
        ? 'Let the user that runs Hydrant read this file.'
        : 'Give a PEM file that exists; `hydrant tls self-signed` makes certificates for a try-out.';
    throw new HydrantError('HYD_CONFIG', `${path} ${file}: ${errorText(error)}`, { cause: error, fix });
  }
}

/** @throws HYD_CONFIG when there is none, or one that cannot be read */
export function readCertificates(path: string, file: string, text: string): X509Certificate[] {
  const blocks = text.match(PEM_BLOCK) ?? [];
  try {
    if (blocks.length > 0) return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw notPem(path, file, `certificate ${errorText(error)}`, error);
  }
  throw notPem(path, file, 'there is no certificate in it');
}

function readKey(file: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (error) {
    if (systemCode(error) === 'ERR_MISSING_PASSPHRASE' || /ENCRYPTED/.test(text)) {
      throw new HydrantError('HYD_CONFIG', `tls.key ${file} is encrypted with a passphrase`, {
        cause: error,
        fix: `Take the passphrase off, into a file that only Hydrant can read: openssl pkey -in ${file} -out FILE`,
      });
    }
    throw notPem('tls.key', file, 'there is no private key in it', error);
  }
}

function notPem(path: string, file: string, why: string, cause?: unknown): HydrantError {
  return new HydrantError('HYD_CONFIG', `${path} ${file} is not what it should be: ${why}`, {
    cause,
    fix: 'Give a PEM file: text with lines such as -----BEGIN CERTIFICATE----- or -----BEGIN PRIVATE KEY-----.',
  });
}
