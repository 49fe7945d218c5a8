import { loadConfig } from '../../app/config.ts';
import { folderHolder } from '../../app/folder-lock.ts';
import { loadAccess } from '../../app/server-access.ts';
import { errorText, HydrantError } from '../../core/errors.ts';
import { connectClient } from '../../mqtt/client.ts';
import type { ConfigOptions } from '../commands/config.ts';
import type { Io } from '../io.ts';
import { checkArchive } from './archive.ts';
import { type Finding, fail, ok } from './check.ts';
import { checkFolder, checkHolder, checkJournal } from './folder.ts';
import { checkClock, checkDisk, checkNode, checkOpenFiles } from './machine.ts';
import { checkPort } from './ports.ts';

const REACH_MS = 3000;

/** Every check, in the order in which one depends on another. A check that cannot be made is a failed one. */
export async function examine(options: ConfigOptions, io: Io): Promise<Finding[]> {
  const findings = [checkNode(process.version), checkOpenFiles()];
  const nowMs = Date.now();
  let loaded: ReturnType<typeof loadConfig>;
  try {
    loaded = loadConfig({ env: io.env, file: options.config, data: options.data, sets: options.set });
    loadAccess(loaded);
  } catch (error) {
    if (!(error instanceof HydrantError)) throw error;
    return [...findings, fail('configuration', error.message, error.fix)];
  }
  const { dataDir, config, file } = loaded;
  findings.push(ok('configuration', file ?? 'no file; defaults and environment'));
  const folder = await checkFolder(dataDir);
  findings.push(folder);
  findings.push(...(await guarded('disk', () => checkDisk(dataDir))));
  findings.push(...(await guarded('clock', async () => [await checkClock(dataDir, nowMs)])));
  const holder = folder.status === 'fail' || folder.detail.endsWith('yet') ? undefined : folderHolder(dataDir);
  findings.push(checkHolder(holder));
  if (holder) findings.push(...(await checkListeners(holder.listeners ?? {})));
  else {
    const { mqtt, http } = config.listeners;
    if (mqtt.enabled) findings.push(await checkPort('mqtt port', mqtt.host, mqtt.port, 'listeners.mqtt.port'));
    findings.push(await checkPort('http port', http.host, http.port, 'listeners.http.port'));
  }
  if (folder.status === 'fail') return findings;
  findings.push(...(await guarded('journal', () => checkJournal(dataDir, nowMs))));
  findings.push(...(await guarded('archive', () => checkArchive(dataDir))));
  return findings;
}

/** Whether the running server answers where it says that it listens. */
async function checkListeners(listeners: Record<string, string>): Promise<Finding[]> {
  const fix = 'Look into its log. If it hangs, end it and start it again; nothing acknowledged is lost.';
  const findings: Finding[] = [];
  for (const [name, url] of Object.entries(listeners)) {
    const start = performance.now();
    try {
      await (name === 'http' ? reachHttp(url) : reachMqtt(url));
      findings.push(ok(`${name} listener`, `${url} answers in ${(performance.now() - start).toFixed(1)} ms`));
    } catch (error) {
      findings.push(fail(`${name} listener`, `${url}: ${errorText(error)}`, fix));
    }
  }
  return findings;
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

async function guarded(check: string, make: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await make();
  } catch (error) {
    return [fail(check, errorText(error), error instanceof HydrantError ? error.fix : 'Check that the folder can be read by this user.')];
  }
}
