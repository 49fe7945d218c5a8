import { errorText, HydrantError, systemCode } from '../../core/errors.ts';
import { type LaunchpadOptions, portOf } from './options.ts';

/** What went wrong with a mailbox, and what to do about it. */
export function mailFault(error: unknown, options: LaunchpadOptions): HydrantError {
  if (error instanceof HydrantError) return error;
  const [what, fix] = explain(error, options);
  return new HydrantError('HYD_SOURCE', what, { cause: error, ...(fix !== undefined && { fix }) });
}

interface ImapError {
  authenticationFailed?: boolean;
  tlsFailed?: boolean;
  /** The server's words. */
  responseText?: string;
  response?: unknown;
  responseStatus?: string;
}

function explain(error: unknown, options: LaunchpadOptions): [what: string, fix?: string] {
  const { host, tls, user, timeout } = options;
  const place = `${host}:${portOf(options)}`;
  const code = systemCode(error) ?? '';
  const said = error as ImapError;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return [`there is no host ${host}`, 'Correct --host.'];
  if (code === 'ECONNREFUSED')
    return [`nothing listens at ${place}`, 'Correct --host and --port, or start the IMAP server: 993 is usual with TLS, 143 without.'];
  if (/^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/.test(code))
    return [
      `the certificate of ${place} is not trusted: ${errorText(error).split(';')[0]}`,
      'Give the authority that signed it: --ca FILE.',
    ];
  if (code === 'CERT_HAS_EXPIRED')
    return [`the certificate of ${place} has expired`, 'The server needs a new one; until then --insecure connects without looking at it.'];
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return [`the certificate of ${place} is for other names: ${errorText(error)}`, 'Use a --host that is in the certificate.'];
  if (/^ERR_SSL_(WRONG_VERSION|PACKET_LENGTH)/.test(code))
    return [
      `${place} does not begin with TLS`,
      'Use --tls starttls, which is usual on port 143, or the port of IMAP with TLS, usually 993.',
    ];
  if (said.authenticationFailed) {
    if (/Login is disabled/i.test(errorText(error)))
      return [`${place} takes no password without TLS`, 'Use --tls starttls, or --tls on with the port for it, usually 993.'];
    const words = typeof said.response === 'string' ? said.response.replace(/^\S+ (NO|BAD) (\[[^\]]*\] )?/, ': ') : '';
    return [`${place} refuses the user ${user}${words}`, 'Correct --user, and --password or the file of --password-file.'];
  }
  if (said.tlsFailed)
    return [
      `${place} cannot change to TLS: ${errorText(error)}`,
      'Use --tls on with the port for it, usually 993; --tls off only where nobody listens in.',
    ];
  if (code === 'GREETING_TIMEOUT' && tls !== 'on')
    return [`${place} says nothing`, 'It may want TLS from the beginning: --tls on. Otherwise correct --port.'];
  if (/TIMEOUT|ETIMEDOUT/.test(code))
    return [`${place} did not answer within ${timeout / 1000} s`, 'Look at the server and the way to it; --timeout waits longer.'];
  if (/^(NoConnection|EConnectionClosed|StateLogout|ClosedAfter|ECONNRESET|EPIPE)/.test(code))
    return [
      `${place} closed the connection`,
      'Check that an IMAP server listens there, 993 with TLS and 143 without are usual, and its log.',
    ];
  return [`${place}: ${said.responseText ?? errorText(error)}`];
}
