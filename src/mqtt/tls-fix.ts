import { systemCode } from '../core/errors.ts';

/** What to do about a TLS connection that could not be made, by OpenSSL's and Node's codes; undefined when TLS has nothing to do with it. */
export function tlsFix(error: unknown): string | undefined {
  const code = systemCode(error) ?? '';
  if (/^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/.test(code))
    return 'Give the authority that signed the server’s certificate: --cafile FILE, or `tls: { ca }` in a program.';
  if (code === 'CERT_HAS_EXPIRED')
    return 'The server needs a new certificate; until then --insecure, or `tls: { rejectUnauthorized: false }` in a program, connects without looking at it.';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'Use a name or address that is in the certificate, or have one made that holds this one.';
  if (code === 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' || code === 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE')
    return 'This server wants a client certificate: --cert FILE and --key FILE, or `tls: { cert, key }` in a program.';
  if (code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') return 'Give the key that belongs to the certificate.';
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return 'That port speaks no TLS: use mqtt:// or ws://.';
  return undefined;
}
