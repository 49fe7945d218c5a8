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
export function tlsFlag({ cafile, cert, key, insecure }: TlsOptions, prefix = '--'): string | undefined {
  if (cafile) return `${prefix}cafile`;
  if (cert) return `${prefix}cert`;
  if (key) return `${prefix}key`;
  return insecure ? `${prefix}insecure` : undefined;
}

/**
 * @param prefix of the options, where a command has others of these names
 * @throws HYD_USAGE naming the file that cannot be read or used
 */
export function readTlsOptions(options: TlsOptions, prefix = '--'): TlsFiles | undefined {
  if (!tlsFlag(options)) return undefined;
  const { cafile, cert, key, insecure } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new HydrantError('HYD_USAGE', `${prefix}${cert ? `cert ${cert}` : `key ${key}`} is of no use alone`, {
      fix: `Give ${prefix}cert FILE and ${prefix}key FILE together.`,
    });
  }
  const files = {
    ca: cafile ? readGiven(`${prefix}cafile`, cafile) : undefined,
    cert: cert ? readGiven(`${prefix}cert`, cert) : undefined,
    key: key ? readGiven(`${prefix}key`, key) : undefined,
  };
  if (files.ca && !files.ca.includes('-----BEGIN')) throw notPem(`${prefix}cafile ${cafile}: there is no certificate in it`);
  try {
    createSecureContext(files);
  } catch (error) {
    throw notPem(`${prefix}cert ${cert} and ${prefix}key ${key} cannot be used: ${errorText(error)}`, error);
  }
  return { ...files, rejectUnauthorized: !insecure };
}

function notPem(message: string, cause?: unknown): HydrantError {
  return new HydrantError('HYD_USAGE', message, { cause, fix: 'Give PEM files, a certificate with the key that it was made with.' });
}
