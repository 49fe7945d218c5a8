import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { HydrantError, systemCode } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';
import { type CertificatePair, createAuthority, issueCertificate, type Validity } from './certificates.ts';

export interface SelfSignedWish {
  /** Folder to write to, made when it is not there. */
  dir: string;
  /** Names and addresses that the server is reached under. */
  hosts: readonly string[];
  /** Names of clients that get a certificate. */
  clients: readonly string[];
  days: number;
  /** Whether somebody asked for a server certificate; else one that is there stays. */
  renewServer: boolean;
  /** Overwrite what is there. An authority that is still good stays all the same. */
  force: boolean;
}

/** One pair of files, and whether it was made now or found. */
export interface MadePair {
  /** `ca`, `server` or `client-NAME`. */
  base: string;
  cert: string;
  key: string;
  made: boolean;
}

const DAY_MS = 86_400_000;
/** Clocks differ. */
const EARLIER_MS = 3_600_000;

/**
 * Makes an authority, a server certificate and client certificates for a try-out. An authority found in the folder signs what is new, so that
 * clients who trust it go on doing so.
 * @throws HYD_USAGE for a name that cannot be one, and for a file that would be overwritten: nothing was written then
 */
export async function makeSelfSigned(wish: SelfSignedWish, nowMs: number): Promise<{ pairs: MadePair[]; until: Date }> {
  const { dir, hosts, clients, days, renewServer, force } = wish;
  checkNames(hosts, clients);
  const place = (base: string, made: boolean): MadePair => ({ base, cert: join(dir, `${base}.pem`), key: join(dir, `${base}.key`), made });
  const ca = place('ca', false);
  const found = readAuthority(ca, nowMs);
  ca.made = found === undefined;
  const server = place('server', true);
  if (found && !renewServer && existsSync(server.cert) && existsSync(server.key)) server.made = false;
  const pairs = [ca, server, ...clients.map((name) => place(`client-${name}`, true))];
  if (!force) refuseOverwriting(pairs);

  const validity: Validity = { from: new Date(nowMs - EARLIER_MS), until: new Date(nowMs + days * DAY_MS) };
  const authority = found ?? (await createAuthority('Hydrant try-out authority', validity));
  const authorityUntil = new X509Certificate(authority.cert).validToDate;
  if (authorityUntil < validity.until) validity.until = authorityUntil;
  const issue = (pair: MadePair): Promise<CertificatePair> => {
    if (pair === ca) return Promise.resolve(authority);
    const name = pair === server ? 'Hydrant' : pair.base.slice('client-'.length);
    return issueCertificate(authority, {
      ...validity,
      name,
      use: pair === server ? 'server' : 'client',
      hosts: pair === server ? hosts : [],
    });
  };
  await makeFolder(dir, 0o755);
  for (const pair of pairs.filter(({ made }) => made)) {
    const { cert, key } = await issue(pair);
    await writeNew(pair.key, key, 0o600);
    await writeNew(pair.cert, cert, 0o644);
  }
  return { pairs, until: validity.until };
}

function checkNames(hosts: readonly string[], clients: readonly string[]): void {
  const host = hosts.find((name) => isIP(name) === 0 && !/^(?:\*\.)?[\w-]+(?:\.[\w-]+)*$/.test(name));
  if (host !== undefined) {
    throw new HydrantError('HYD_USAGE', `--host ${JSON.stringify(host)} is no host name and no address`, {
      fix: 'Give names such as bus.example.org or *.example.org, or addresses such as 192.0.2.7, without a port.',
    });
  }
  const client = clients.find((name) => !/^[\w.@-]{1,64}$/.test(name));
  if (client === undefined) return;
  throw new HydrantError('HYD_USAGE', `--client ${JSON.stringify(client)} cannot be the name of a client`, {
    fix: 'Give 1 to 64 letters, digits, dots, dashes, underscores or @.',
  });
}

/** The authority that is in the folder, when it can still sign. */
function readAuthority(files: MadePair, nowMs: number): CertificatePair | undefined {
  if (!existsSync(files.cert) || !existsSync(files.key)) return undefined;
  const [cert, key] = [readFileSync(files.cert, 'utf8'), readFileSync(files.key, 'utf8')];
  try {
    const certificate = new X509Certificate(cert);
    const isGood = certificate.checkPrivateKey(createPrivateKey(key)) && certificate.validToDate.getTime() > nowMs;
    return isGood ? { cert, key } : undefined;
  } catch (error) {
    // It is no certificate, or its key is none: only --force may replace it.
    if (systemCode(error)?.startsWith('ERR_OSSL_')) return undefined;
    throw error;
  }
}

function refuseOverwriting(pairs: readonly MadePair[]): void {
  const files = pairs.filter(({ made }) => made).flatMap(({ cert, key }) => [cert, key]);
  const there = files.find((file) => existsSync(file));
  if (there === undefined) return;
  throw new HydrantError('HYD_USAGE', `${there} is there already`, {
    fix: 'Choose another folder with --out DIR, or overwrite it with --force. To add a client alone, give --client NAME and no --host.',
  });
}

/** Never a moment in which others can read a key: the old file goes first. */
async function writeNew(path: string, text: string, mode: number): Promise<void> {
  await rm(path, { force: true });
  await writeFile(path, text, { mode, flag: 'wx' });
}
