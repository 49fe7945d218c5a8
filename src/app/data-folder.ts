import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../core/atomic-file.ts';
import { HydrantError } from '../core/errors.ts';
import { makeFolder, syncFolder } from '../core/files.ts';
import { createHexId } from '../core/id.ts';
import { type FolderLock, lockFolder } from './folder-lock.ts';

/** What `hydrant.json` says of a data folder. */
export interface FolderIdentity {
  format: number;
  /** Random per folder, 16 hex digits. */
  journal: string;
  /** Journals that this one goes on from, oldest first: the folder was made from a backup. */
  previous?: string[];
  /** RFC 3339. */
  created: string;
}

/** Brings a folder from one format to the next. Must bear being run again after a crash in the middle. */
export interface UpgradeStep {
  from: number;
  run(dir: string): Promise<void>;
}

const UPGRADES: UpgradeStep[] = [];

export interface DataFolder {
  dir: string;
  identity: FolderIdentity;
  lock: FolderLock;
}

/**
 * Opens the data folder for a server: creates it (mode 0700) with a fresh journal id when it is new, locks it,
 * upgrades an older format. Release `lock` when done.
 * @param options.command what `lock.json` tells people who ask who runs here
 * @throws HYD_DATA_BUSY naming the holder; HYD_DATA_FORMAT when a newer Hydrant wrote it or its identity is lost
 */
export async function openDataFolder(dir: string, options: { command: string; upgrades?: UpgradeStep[] }): Promise<DataFolder> {
  const upgrades = options.upgrades ?? UPGRADES;
  const current = upgrades.length + 1;
  await makeFolder(dir);
  const lock = await lockFolder(dir, options.command);
  try {
    let identity = existsSync(join(dir, 'hydrant.json')) ? readIdentity(dir, current) : await createFresh(dir, current);
    for (const step of upgrades.filter(({ from }) => from >= identity.format)) {
      await step.run(dir);
      identity = { ...identity, format: step.from + 1 };
      await writeIdentity(dir, identity);
    }
    return { dir, identity, lock };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * What a folder says of itself, for commands that only read it.
 * @throws HYD_DATA_MISSING when it is no data folder; HYD_DATA_FORMAT when a newer Hydrant wrote it
 */
export function readDataFolder(dir: string): FolderIdentity {
  if (!existsSync(join(dir, 'hydrant.json')))
    throw new HydrantError('HYD_DATA_MISSING', `${dir} is not a data folder: it has no hydrant.json`);
  return readIdentity(dir, UPGRADES.length + 1);
}

async function createFresh(dir: string, format: number): Promise<FolderIdentity> {
  if (existsSync(join(dir, 'journal')) && readdirSync(join(dir, 'journal')).some((name) => name.endsWith('.ndjson'))) {
    throw new HydrantError('HYD_DATA_FORMAT', `${dir} has a journal but no hydrant.json, so its identity is lost`, {
      fix: 'Put hydrant.json back from a backup, or start with another folder: --data DIR.',
    });
  }
  return createIdentity(dir, format);
}

/** Writes a fresh identity, with a new journal id, into a folder: a new one, or one made from a backup of those before it. */
export async function createIdentity(dir: string, format = UPGRADES.length + 1, previous: string[] = []): Promise<FolderIdentity> {
  const identity: FolderIdentity = {
    format,
    journal: createHexId(8),
    ...(previous.length > 0 ? { previous } : {}),
    created: new Date().toISOString(),
  };
  await writeIdentity(dir, identity);
  await syncFolder(dirname(dir));
  return identity;
}

async function writeIdentity(dir: string, identity: FolderIdentity): Promise<void> {
  await writeFileAtomic(join(dir, 'hydrant.json'), `${JSON.stringify(identity)}\n`);
}

function readIdentity(dir: string, current: number): FolderIdentity {
  const path = join(dir, 'hydrant.json');
  let identity: FolderIdentity | null;
  try {
    identity = JSON.parse(readFileSync(path, 'utf8')) as FolderIdentity | null;
  } catch (error) {
    throw new HydrantError('HYD_DATA_FORMAT', `${path} is not readable JSON`, {
      cause: error,
      fix: 'Put hydrant.json back from a backup.',
    });
  }
  if (!identity || !Number.isInteger(identity.format) || identity.format < 1 || !/^[0-9a-f]{16}$/.test(identity.journal)) {
    throw new HydrantError('HYD_DATA_FORMAT', `${path} does not state a format and a journal id`, {
      fix: 'Put hydrant.json back from a backup.',
    });
  }
  if (identity.format > current) {
    throw new HydrantError('HYD_DATA_FORMAT', `${path} states format ${identity.format}; this Hydrant reads formats up to ${current}`);
  }
  return identity;
}
