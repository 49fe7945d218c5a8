import { join } from 'node:path';
import { Catalogue } from '../archive/catalogue.ts';
import { CompletenessKeeper } from '../archive/hours/completeness-keeper.ts';
import { isKeyOf } from '../archive/keys.ts';
import { openSealer, type Sealer } from '../archive/seal/sealer.ts';
import type { SealerOptions } from '../archive/sealer-options.ts';
import { openUpkeep, type Upkeep } from '../archive/upkeep/upkeep.ts';
import { openUploader, type Uploader } from '../archive/upload/uploader.ts';
import type { UploaderOptions } from '../archive/upload/uploader-options.ts';
import { errorFix, errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { settlesWithin } from '../core/settles-within.ts';
import type { Journal } from '../journal/journal.ts';
import { createFsStore } from '../storage/drivers/fs.ts';
import { openStore, parseStoreUrl } from '../storage/open.ts';
import type { ObjectStore } from '../storage/store.ts';
import { createUnionStore } from '../storage/union.ts';
import type { Config } from './config-schema.ts';
import { prepareRemoteFolder } from './remote-folder.ts';

/** Each look lists the whole store. */
const REMOTE_RETENTION_MS = 15 * 60_000;

export interface ArchiveOptions {
  /** Absolute path of the data folder. */
  dataDir: string;
  config: Pick<Config, 'archive'>;
  journal: Journal;
  log: Log;
}

/** What becomes of a journal: its sealer, what uploads sealed objects, what keeps them in order, and what this process reads of the archive. */
export interface Archive {
  /** Undefined while `archive.enabled` is false: then nothing is ever removed from the journal. */
  readonly sealer: Sealer | undefined;
  /** Undefined without `archive.to`. */
  readonly uploader: Uploader | undefined;
  /** Of the store where objects are at home: the remote one when there is one. */
  readonly upkeep: Upkeep | undefined;
  /** Of sealed objects only, local and uploaded ones as one: the journal's segments are the caller's. */
  readonly catalogue: Catalogue;
  /** Takes over what may change while it runs. */
  configure(config: Pick<Config, 'archive'>): void;
  /** Closes the open segment, seals all there is and uploads what the time allows. Resolves when it has tried; never rejects. */
  drain(options: { deadlineMs: number }): Promise<void>;
  /** Finishes what is under way and stops; the rest waits for the next start. Before the journal. Twice is fine. */
  close(options: { deadlineMs: number }): Promise<void>;
}

/**
 * A remote store that cannot be reached is no error: what is sealed waits in the data folder.
 * @throws HYD_CONFIG for options that do not go together
 */
export async function openArchive(options: ArchiveOptions): Promise<Archive> {
  const { dataDir, config, journal, log } = options;
  const localDir = join(dataDir, 'archive');
  const local = createFsStore(localDir);
  const { enabled, layout, codec, to } = config.archive;
  const remote = enabled && to !== undefined ? await openRemote(to, localDir, options) : undefined;
  const stored =
    remote &&
    createUnionStore([
      { name: localDir, store: local },
      { name: to!, store: remote },
    ]);
  let sealer: Sealer | undefined;
  let hasRetention = isRetained(config);
  const uploader =
    remote && (await uploadTo(remote, localDir, options, { onRemoved: () => void sealer?.hurry(), hasRetention: () => hasRetention }));
  const onSealed: SealerOptions['onSealed'] = (manifest, fromMs) => keeper?.sealed(manifest, fromMs);
  const sealerOptions = { store: local, stored, uploads: uploader, onSealed, workDir: join(dataDir, 'sealing'), layout, codec, log };
  if (enabled) sealer = await openSealer({ journal, ...sealerOptions, exclude: config.archive.exclude });
  else journal.hold('the archive is off');
  const catalogue = new Catalogue({ store: stored ?? local });
  const keeper = sealer && new CompletenessKeeper({ path: join(dataDir, 'catalogue.db'), journal, log });
  void keeper?.catchUp(catalogue).catch((error) => {
    log('warn', 'the catalogue of hours is not complete yet', { error: errorText(error), fix: errorFix(error) });
  });
  const upkeep =
    sealer &&
    openUpkeep({
      journal,
      store: remote ?? local,
      read: stored,
      unsealed: () => sealer.unsealed,
      ready: sealer.run(),
      workDir: join(dataDir, 'compacting'),
      retentionMs: remote && REMOTE_RETENTION_MS,
      ...upkeepPart(config),
      log,
    });
  return {
    sealer,
    uploader,
    upkeep,
    catalogue,
    configure(next) {
      hasRetention = isRetained(next);
      sealer?.configure({ exclude: next.archive.exclude });
      upkeep?.configure(upkeepPart(next));
    },
    async drain({ deadlineMs }) {
      const untilMs = performance.now() + deadlineMs;
      const sealed = journal.rotate().then(() => sealer?.run());
      await settlesWithin(sealed, deadlineMs).catch((error) => {
        log('error', 'the open segment could not be sealed; it is at the next start', { error: errorText(error) });
      });
      await uploader?.drain({ deadlineMs: untilMs - performance.now() });
    },
    async close({ deadlineMs }) {
      const untilMs = performance.now() + deadlineMs;
      // Putting days or hours together asks the remote store, which may not answer.
      const cut = setTimeout(() => void remote?.close(), deadlineMs);
      await upkeep?.close();
      await sealer?.close();
      keeper?.close();
      clearTimeout(cut);
      await uploader?.close({ deadlineMs: untilMs - performance.now() });
      await remote?.close();
    },
  };
}

/** @throws HYD_CONFIG when it would be the local archive itself */
async function openRemote(to: string, localDir: string, { config, journal, log }: ArchiveOptions): Promise<ObjectStore> {
  const location = parseStoreUrl(to);
  if (location.kind === 'file') await prepareRemoteFolder(location.path, { to, localDir, log });
  return openStore(to, { s3: config.archive.s3, makeBucket: true, owns: (key) => isKeyOf(journal.id, key), log });
}

function uploadTo(
  remote: ObjectStore,
  localDir: string,
  { dataDir, config, journal, log }: ArchiveOptions,
  hooks: Pick<UploaderOptions, 'onRemoved' | 'hasRetention'>,
): Promise<Uploader> {
  const { to, layout, upload, s3 } = config.archive;
  return openUploader({
    localDir,
    remote,
    remoteName: to!,
    marksPath: join(dataDir, 'uploads.db'),
    journal,
    layout,
    keepLocalMs: upload.keepLocal,
    parallel: s3.parallel,
    ...hooks,
    log,
  });
}

function isRetained({ archive }: Pick<Config, 'archive'>): boolean {
  return archive.retention.bytes > 0 || archive.retention.age > 0;
}

function upkeepPart({ archive }: Pick<Config, 'archive'>): Parameters<Upkeep['configure']>[0] {
  const { retention, layout, compact } = archive;
  const { enabled, after, ...how } = compact;
  return {
    retention: { bytes: retention.bytes || undefined, ageMs: retention.age || undefined },
    compact: enabled && layout === 'hive' ? { ...how, afterMs: after } : undefined,
  };
}
