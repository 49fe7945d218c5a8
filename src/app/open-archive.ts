import { join } from 'node:path';
import { Catalogue } from '../archive/catalogue.ts';
import { openSealer, type Sealer } from '../archive/sealer.ts';
import type { Log } from '../core/log.ts';
import type { Journal } from '../journal/journal.ts';
import { createFsStore } from '../storage/drivers/fs.ts';
import type { Config } from './config-schema.ts';

export interface ArchiveOptions {
  /** Absolute path of the data folder. */
  dataDir: string;
  config: Pick<Config, 'archive'>;
  journal: Journal;
  log: Log;
}

/** What becomes of a journal: its sealer, and what this process reads of the archive. */
export interface Archive {
  /** Undefined while `archive.enabled` is false: then nothing is ever removed from the journal. */
  readonly sealer: Sealer | undefined;
  /** Of sealed objects only: the journal's segments are the caller's. */
  readonly catalogue: Catalogue;
  /** Takes over what may change while it runs. */
  configure(config: Pick<Config, 'archive'>): void;
  /** Closes the open segment and seals all there is. Resolves when it has tried. */
  drain(options: { deadlineMs: number }): Promise<void>;
  /** Finishes what is under way and stops; the rest waits for the next start. Before the journal. Twice is fine. */
  close(options: { deadlineMs: number }): Promise<void>;
}

/** @throws HYD_CONFIG for options that do not go together */
export async function openArchive(options: ArchiveOptions): Promise<Archive> {
  const { dataDir, config, journal, log } = options;
  const store = createFsStore(join(dataDir, 'archive'));
  const { enabled, layout, codec } = config.archive;
  const workDir = join(dataDir, 'sealing');
  const sealer = enabled ? await openSealer({ journal, store, workDir, layout, codec, ...livePart(config), log }) : undefined;
  if (!sealer) journal.hold('the archive is off');
  return {
    sealer,
    catalogue: new Catalogue({ store }),
    configure: (next) => sealer?.configure(livePart(next)),
    async drain() {
      await journal.rotate();
      await sealer?.run();
    },
    async close() {
      await sealer?.close();
    },
  };
}

function livePart({ archive }: Pick<Config, 'archive'>): Parameters<Sealer['configure']>[0] {
  const { bytes, age } = archive.retention;
  return { exclude: archive.exclude, retention: { bytes: bytes || undefined, ageMs: age || undefined } };
}
