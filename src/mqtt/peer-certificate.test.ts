import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { type ConnectionOptions, connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { type CertificateFiles, createTestAuthority, type TestAuthority } from '../testing/certificates.ts';
import { within } from '../testing/deadline.ts';
import { type PeerCertificate, peerCertificate } from './peer-certificate.ts';

let authority: TestAuthority;
let server: Server;

before(async () => {
  authority = await createTestAuthority();
  const ca = readFileSync(authority.ca);
  server = createServer({ ...pem(await authority.server()), ca, requestCert: true, rejectUnauthorized: false });
  server.on('secureConnection', (socket: TLSSocket) => socket.on('error', () => {}).end('x'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

after(async () => {
  server.close();
  await authority[Symbol.asyncDispose]();
});

function pem({ cert, key }: CertificateFiles): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

interface Seen {
  certificate: PeerCertificate | undefined;
  authorized: boolean;
  resumed: boolean;
  /** For the next connection; a resumed one has none to give. */
  session: Buffer | undefined;
}

/** What the server learns of a client. */
async function seen(options: ConnectionOptions): Promise<Seen> {
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const socket = connect({ port, host: '127.0.0.1', ca: readFileSync(authority.ca), ...options });
  const session = options.session ? undefined : (once(socket, 'session') as Promise<[Buffer]>);
  socket.resume();
  const [atServer] = await within(accepted, 10_000, 'the handshake');
  const ticket = session && (await within(session, 10_000, 'the session ticket'))[0];
  const { authorized } = atServer;
  const found = { certificate: peerCertificate(atServer), authorized, resumed: atServer.isSessionReused(), session: ticket };
  socket.destroy();
  return found;
}

test('a verified certificate gives its common name and its fingerprint, also when the session is resumed', async () => {
  const files = pem(await authority.client('alice', { hosts: ['device.example.org'] }));
  const wanted = { name: 'alice', fingerprint: new X509Certificate(files.cert).fingerprint256 };
  const { certificate, session } = await seen(files);
  assert.deepEqual(certificate, wanted);
  const again = await seen({ ...files, session });
  assert.deepEqual([again.resumed, again.certificate], [true, wanted]);
});

test('without a common name the first alternative name is the name', async () => {
  const files = await authority.client('nameless', { commonName: '', hosts: ['device.example.org', 'other.example.org'] });
  assert.equal((await seen(pem(files))).certificate?.name, 'device.example.org');
});

test('one that is missing, expired or signed by somebody else gives nothing, also when the session is resumed', async () => {
  await using other = await createTestAuthority('another authority');
  const expired = pem(await authority.client('old', { expired: true }));
  for (const files of [{}, expired, pem(await other.client('alice'))]) {
    const { certificate, authorized, session } = await seen(files);
    assert.deepEqual([certificate, authorized], [undefined, false]);
    const again = await seen({ ...files, session });
    assert.deepEqual([again.resumed, again.certificate, again.authorized], [true, undefined, false]);
  }
});
