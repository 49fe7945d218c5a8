import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import type { Config } from '../../app/config-schema.ts';
import { openDoors } from '../../app/listener-options.ts';
import { errorText, HydrantError } from '../../core/errors.ts';
import { connectClient } from '../../mqtt/client.ts';
import { type Finding, fail, ok, warn } from './check.ts';
import { checkPort } from './ports.ts';

const REACH_MS = 3000;
const DAY_MS = 86_400_000;
/** Long enough to notice that whatever renews certificates has stopped doing so. */
const SOON_DAYS = 14;

/** Whether a running server answers where it says that it listens. */
export async function checkDoors(listeners: Record<string, string>): Promise<Finding[]> {
  const fix = 'Look into its log. If it hangs, end it and start it again; nothing acknowledged is lost.';
  const findings: Finding[] = [];
  for (const [name, url] of Object.entries(listeners)) {
    const start = performance.now();
    try {
      await reach(url);
      findings.push(ok(`${name} listener`, `${url} answers in ${(performance.now() - start).toFixed(1)} ms`));
    } catch (error) {
      findings.push(fail(`${name} listener`, `${url}: ${errorText(error)}`, fix));
    }
  }
  return findings;
}

/** Whether a server that does not run could listen where the configuration says. */
export async function checkPorts(config: Config): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, host, port } of openDoors(config))
    findings.push(await checkPort(`${name} port`, host, port, `listeners.${name}.port`));
  return findings;
}

/** Whether the certificate in the configured file lasts. */
export function checkCertificate(expiresAtMs: number, nowMs: number): Finding {
  const until = new Date(expiresAtMs).toISOString().slice(0, 10);
  const fix = 'Put a new certificate in its place, then send SIGHUP to the server.';
  if (expiresAtMs <= nowMs) return fail('certificate', `expired on ${until}`, fix);
  if (expiresAtMs - nowMs < SOON_DAYS * DAY_MS) return warn('certificate', `expires on ${until}`, fix);
  return ok('certificate', `valid until ${until}`);
}

async function reach(url: string): Promise<void> {
  const { protocol } = new URL(url);
  if (protocol === 'http:') await reachHttp(url);
  else if (protocol === 'mqtt:' || protocol === 'ws:') await reachMqtt(url);
  else await reachTls(url);
}

/** As far as a handshake: who may come in behind it, with which certificate, is another question. */
async function reachTls(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connectTls({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(REACH_MS) });
  } finally {
    socket.on('error', () => {}).destroy();
  }
}

async function reachMqtt(url: string): Promise<void> {
  try {
    await (await connectClient({ url, connectTimeoutMs: REACH_MS })).close();
  } catch (error) {
    // It answers: that it lets nobody in without an account is as it should be.
    if (!(error instanceof HydrantError && error.code === 'HYD_REFUSED')) throw error;
  }
}

async function reachHttp(url: string): Promise<void> {
  const response = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(REACH_MS) });
  if (!response.ok) throw new Error(`/readyz says ${response.status}: ${(await response.text()).slice(0, 200)}`);
}
