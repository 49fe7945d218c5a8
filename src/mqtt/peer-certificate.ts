import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Who a verified client certificate names. */
export interface PeerCertificate {
  /** Common name of the subject; without one, the first of its alternative names. */
  name: string;
  /** SHA-256 of the certificate, hex with colons. */
  fingerprint: string;
}

/** Tells by what it has: the class would load TLS into processes that have no use for it, 3 MB. */
export function isTls(socket: Socket): socket is TLSSocket {
  return 'encrypted' in socket && socket.encrypted === true;
}

/** The certificate that the other end of a TLS connection has shown, when it was asked for, is good and has a name. */
export function peerCertificate(socket: Socket): PeerCertificate | undefined {
  if (!isTls(socket) || !socket.authorized) return undefined;
  const { subject, subjectaltname, fingerprint256 } = socket.getPeerCertificate() as Partial<ReturnType<TLSSocket['getPeerCertificate']>>;
  const [commonName] = [subject?.CN].flat();
  const name = commonName || /^\w[\w ]*:([^,"]+)/.exec(subjectaltname ?? '')?.[1];
  return name && fingerprint256 ? { name, fingerprint: fingerprint256 } : undefined;
}
