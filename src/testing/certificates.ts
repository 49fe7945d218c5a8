import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAuthority, issueCertificate } from '../cli/tls/certificates.ts';
import { createTempFolder } from './temp-folder.ts';

const DAY_MS = 86_400_000;

/** Paths of a certificate and its key. */
export interface CertificateFiles {
  cert: string;
  key: string;
}

interface IssueOptions {
  /** Default: valid since yesterday until tomorrow. */
  expired?: boolean;
  /** Alternative names. Default for a server: localhost, 127.0.0.1 and ::1; for a client none. */
  hosts?: string[];
  /** Default: the name of the files. */
  commonName?: string;
}

/** A certificate authority in a temporary folder, with all that it issues. */
export interface TestAuthority extends AsyncDisposable {
  /** The folder. */
  readonly path: string;
  /** Path of its certificate, for `--cafile`. */
  readonly ca: string;
  /** Makes a server certificate, as files named after it. */
  server(name?: string, options?: IssueOptions): Promise<CertificateFiles>;
  /** Makes a client certificate whose common name is `name`. */
  client(name: string, options?: IssueOptions): Promise<CertificateFiles>;
}

/** Makes an authority. All keys are ECDSA P-256, so that a certificate takes milliseconds. */
export async function createTestAuthority(name = 'Hydrant test authority'): Promise<TestAuthority> {
  const folder = await createTempFolder('hydrant-certificates');
  const authority = await createAuthority(name, validity(false));
  const ca = join(folder.path, 'ca.pem');
  await writeFile(ca, authority.cert);
  const issue = async (base: string, use: 'server' | 'client', options: IssueOptions): Promise<CertificateFiles> => {
    const { expired = false, hosts, commonName = base } = options;
    const pair = await issueCertificate(authority, { name: commonName, use, hosts, ...validity(expired) });
    const files = { cert: join(folder.path, `${base}.pem`), key: join(folder.path, `${base}.key`) };
    await writeFile(files.cert, pair.cert);
    await writeFile(files.key, pair.key, { mode: 0o600 });
    return files;
  };
  return {
    path: folder.path,
    ca,
    server: (base = 'server', { hosts = ['localhost', '127.0.0.1', '::1'], ...options } = {}) =>
      issue(base, 'server', { hosts, ...options }),
    client: (base, options = {}) => issue(base, 'client', options),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function validity(expired: boolean): { from: Date; until: Date } {
  const nowMs = Date.now();
  return expired
    ? { from: new Date(nowMs - 10 * DAY_MS), until: new Date(nowMs - DAY_MS) }
    : { from: new Date(nowMs - DAY_MS), until: new Date(nowMs + DAY_MS) };
}
