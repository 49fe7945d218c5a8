import { createSecureContext } from 'node:tls';
import { errorText, HydrantError } from '../core/errors.ts';
import { readGiven } from './given-file.ts';

/** How a command checks the server and shows who it is: mosquitto's options. */
export interface TlsOptions {
  cafile?: string;
  cert?: string;
  key?: string;
  insecure?: boolean;
}

export interface TlsFiles {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
  rejectUnauthorized?: boolean;
}

/** The option that asks for TLS, `--cafile` for one; undefined when none does. */
export function tlsFlag({ cafile, cert, key, insecure }: TlsOptions): string | undefined {
  if (cafile) return '--cafile';
  if (cert) return '--cert';
  if (key) return '--key';
  return insecure ? '--insecure' : undefined;
}

/** @throws HYD_USAGE naming the file that cannot be read or used */
export function readTlsOptions(options: TlsOptions): TlsFiles | undefined {
  if (!tlsFlag(options)) return undefined;
  const { cafile, cert, key, insecure } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new HydrantError('HYD_USAGE', `${cert ? `--cert ${cert}` : `--key ${key}`} is of no use alone`, {
      fix: 'Give --cert FILE and --key FILE together.',
    });
  }
  const files = {
    ca: cafile ? readGiven('--cafile', cafile) : undefined,
    cert: cert ? readGiven('--cert', cert) : undefined,
    key: key ? readGiven('--key', key) : undefined,
  };
  if (files.ca && !files.ca.includes('-----BEGIN')) throw notPem(`--cafile ${cafile}: there is no certificate in it`);
  try {
    createSecureContext(files);
  } catch (error) {
    throw notPem(`--cert ${cert} and --key ${key} cannot be used: ${errorText(error)}`, error);
  }
  return { ...files, rejectUnauthorized: !insecure };
}

function notPem(message: string, cause?: unknown): HydrantError {
  return new HydrantError('HYD_USAGE', message, { cause, fix: 'Give PEM files, a certificate with the key that it was made with.' });
}
