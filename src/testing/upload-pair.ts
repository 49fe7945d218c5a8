import { join } from 'node:path';
import { Catalogue } from '../archive/catalogue.ts';
import { type ScanOptions, scan } from '../archive/read/scan.ts';
import type { Sealer } from '../archive/seal/sealer.ts';
import type { SealerOptions } from '../archive/sealer-options.ts';
import { openUploader, type Uploader } from '../archive/upload/uploader.ts';
import type { UploaderOptions } from '../archive/upload/uploader-options.ts';
import { createFsStore } from '../storage/drivers/fs.ts';
import type { ReadableStore } from '../storage/store.ts';
import { createUnionStore } from '../storage/union.ts';
import { ArchiveFolder } from './archive-folder.ts';
import { collect } from './collect.ts';
import { until } from './deadline.ts';
import { FaultyStore } from './faulty-store.ts';

/** A data folder and a remote store beside it, with what takes objects from one to the other. Everything opened here is closed with it. */
export class UploadPair implements AsyncDisposable {
  readonly folder: ArchiveFolder;
  readonly remote: FaultyStore;
  /** Both as one. */
  readonly stored: ReadableStore;
  #uploaders: Uploader[] = [];

  private constructor(folder: ArchiveFolder) {
    this.folder = folder;
    this.remote = new FaultyStore(createFsStore(join(folder.path, 'remote')));
    this.stored = createUnionStore([
      { name: 'here', store: folder.store },
      { name: 'there', store: this.remote },
    ]);
  }

  static async create(startText?: string): Promise<UploadPair> {
    return new UploadPair(await ArchiveFolder.create(startText));
  }

  async openUploader(options: Partial<UploaderOptions> = {}): Promise<Uploader> {
    const { folder } = this;
    const uploader = await openUploader({
      localDir: folder.archiveDir,
      remote: this.remote,
      remoteName: 'file:///remote',
      marksPath: join(folder.path, 'uploads.db'),
      journal: folder.journal,
      layout: 'hive',
      minRetryMs: 1,
      maxRetryMs: 5,
      checkMs: 5,
      clock: folder.clock,
      log: folder.log,
      ...options,
    });
    this.#uploaders.push(uploader);
    return uploader;
  }

  /** With an uploader, the sealer that feeds it. */
  openSealer(uploader: Uploader, options: Partial<SealerOptions> = {}): Promise<Sealer> {
    return this.folder.openSealer({ stored: this.stored, uploads: uploader, ...options });
  }

  /** Appends one event to each of as many segments, all closed. */
  async fill(segments: number, prefix = 's'): Promise<string[]> {
    const topics = Array.from({ length: segments }, (_, i) => `${prefix}/${i}`);
    for (const topic of topics) {
      await this.folder.append(topic, topic.repeat(20));
      await this.folder.journal.rotate();
    }
    return topics;
  }

  /** Seals what is closed, and resolves once everything that may go is there and gone from here. */
  async uploadAll(uploader: Uploader, options: Partial<SealerOptions> = {}): Promise<void> {
    const sealer = await this.openSealer(uploader, options);
    await sealer.run();
    await this.settled(uploader);
  }

  async settled(uploader: Uploader): Promise<void> {
    await uploader.rescan();
    await until(
      async () => uploader.statistics.pending === 0 && (await this.localKeys()).length === 0,
      () => `everything to be uploaded, but ${JSON.stringify(uploader.statistics)}`,
    );
  }

  async localKeys(): Promise<string[]> {
    return (await collect(this.folder.store.list())).map(({ key }) => key);
  }

  /** Of the remote store, without a call that the test sees. */
  async remoteKeys(): Promise<string[]> {
    return (await collect(this.remote.inner.list())).map(({ key }) => key);
  }

  catalogue(): Catalogue {
    return new Catalogue({ store: this.stored, journalDir: this.folder.journalDir });
  }

  async find(options: ScanOptions = {}): Promise<string[]> {
    const topics: string[] = [];
    for await (const records of scan(this.catalogue(), options)) for (const { event } of records) topics.push(event.topic);
    return topics;
  }

  /** Everything closes, the uploaders last, as a server does; then the journal is opened again. */
  async restart(): Promise<void> {
    await this.#close();
    await this.folder.openJournal();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.folder[Symbol.asyncDispose]();
  }

  async #close(): Promise<void> {
    await this.folder.close();
    for (const uploader of this.#uploaders.splice(0)) await uploader.close({ deadlineMs: 5000 });
  }
}
