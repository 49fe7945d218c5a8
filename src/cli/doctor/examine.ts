import { loadConfig } from '../../app/config.ts';
import { folderHolder } from '../../app/folder-lock.ts';
import { openTls } from '../../app/listeners.ts';
import { loadAccess } from '../../app/server-access.ts';
import { errorFix, errorText, HydrantError } from '../../core/errors.ts';
import { silentLog } from '../../core/log.ts';
import type { ConfigOptions } from '../commands/config.ts';
import type { Io } from '../io.ts';
import { checkArchive } from './archive.ts';
import { type Finding, fail, ok } from './check.ts';
import { checkCertificate, checkDoors, checkPorts } from './doors.ts';
import { checkFolder, checkHolder, checkJournal } from './folder.ts';
import { checkClock, checkDisk, checkNode, checkOpenFiles } from './machine.ts';

/** Every check, in the order in which one depends on another. A check that cannot be made is a failed one. */
export async function examine(options: ConfigOptions, io: Io): Promise<Finding[]> {
  const findings = [checkNode(process.version), checkOpenFiles()];
  const nowMs = Date.now();
  let loaded: ReturnType<typeof loadConfig>;
  let tls: Awaited<ReturnType<typeof openTls>>;
  try {
    loaded = loadConfig({ env: io.env, file: options.config, data: options.data, sets: options.set });
    loadAccess(loaded);
    tls = await openTls(loaded.config, silentLog);
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
  findings.push(...(await (holder ? checkDoors(holder.listeners ?? {}) : checkPorts(config))));
  if (tls) findings.push(checkCertificate(tls.expiresAtMs, nowMs));
  if (folder.status === 'fail') return findings;
  findings.push(...(await guarded('journal', () => checkJournal(dataDir, nowMs))));
  findings.push(...(await guarded('archive', () => checkArchive(dataDir, config.archive.to))));
  return findings;
}

async function guarded(check: string, make: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await make();
  } catch (error) {
    return [fail(check, errorText(error), errorFix(error) ?? 'Check that the folder can be read by this user.')];
  }
}
