import { type ConnectionOptions, createSecureContext } from 'node:tls';
import type { BrokerSettings } from '../archive/intake/broker-options.ts';
import { errorText, HydrantError } from '../core/errors.ts';
import { readCertificates, readPem } from './tls-files.ts';

/**
 * What is shown to a broker, and what its certificate is checked against.
 * @throws HYD_CONFIG naming the key and the file that cannot be read or used
 */
export function readBrokerTls({ ca, cert, key, insecure }: BrokerSettings['tls']): ConnectionOptions {
  const files = {
    ca: ca === undefined ? undefined : readPem('archive.broker.tls.ca', ca),
    cert: cert === undefined ? undefined : readPem('archive.broker.tls.cert', cert),
    key: key === undefined ? undefined : readPem('archive.broker.tls.key', key),
  };
  if (files.ca !== undefined) readCertificates('archive.broker.tls.ca', ca!, files.ca);
  try {
    createSecureContext(files);
  } catch (error) {
    const names = Object.entries({ ca, cert, key }).flatMap(([name, file]) =>
      file === undefined ? [] : [`archive.broker.tls.${name} ${file}`],
    );
    throw new HydrantError('HYD_CONFIG', `${names.join(' and ')} cannot be used: ${errorText(error)}`, {
      cause: error,
      fix: 'Give PEM files, a certificate with the key that it was made with.',
    });
  }
  return { ...files, rejectUnauthorized: !insecure };
}
