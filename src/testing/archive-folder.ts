import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Catalogue } from '../archive/catalogue.ts';
import { type Scan, type ScanOptions, scan } from '../archive/read/scan.ts';
import { openSealer, type Sealer } from '../archive/seal/sealer.ts';
import type { SealerOptions } from '../archive/sealer-options.ts';
import { openUpkeep, type Upkeep, type UpkeepOptions } from '../archive/upkeep/upkeep.ts';
import type { LogLevel } from '../core/log.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import { createFsStore } from '../storage/drivers/fs.ts';
import type { ObjectStore } from '../storage/store.ts';
import type { Event, StoredEvent } from '../wire/event.ts';
import { createTempFolder, type TempFolder } from './temp-folder.ts';

const JOURNAL_ID = '0123456789abcdef';

/** A data folder with a journal, an archive and a clock that a test sets. Everything opened here is closed with it. */
export class ArchiveFolder implements AsyncDisposable {
  readonly path: string;
  readonly store: ObjectStore;
  readonly logged: { level: LogLevel; message: string; fields: Record<string, unknown> }[] = [];
  nowMs = Date.parse('2026-11-20T10:00:00Z');
  journal!: Journal;
  #sealers: (Sealer | Upkeep)[] = [];
  #folder: TempFolder;

  private constructor(folder: TempFolder) {
    this.#folder = folder;
    this.path = folder.path;
    this.store = createFsStore(this.archiveDir);
  }

  static async create(startText?: string): Promise<ArchiveFolder> {
    const folder = new ArchiveFolder(await createTempFolder('hydrant-archive'));
    if (startText) folder.nowMs = Date.parse(startText);
    await folder.openJournal();
    return folder;
  }

  get archiveDir(): string {
    return join(this.path, 'archive');
  }

  get journalDir(): string {
    return join(this.path, 'journal');
  }

  readonly clock = { now: () => this.nowMs };

  readonly log = (level: LogLevel, message: string, fields: Record<string, unknown> = {}): void => {
    this.logged.push({ level, message, fields });
  };

  async openJournal(): Promise<void> {
    const rotate = { idleMs: 0, ageMs: 0 };
    this.journal = await openJournal(this.journalDir, { journalId: JOURNAL_ID, clock: this.clock, rotate, log: this.log });
  }

  /** Everything closes, the sealers first; then the journal is opened again, with a new epoch. */
  async restart(): Promise<void> {
    await this.close();
    await this.openJournal();
  }

  async close(): Promise<void> {
    for (const sealer of this.#sealers.splice(0)) await sealer.close();
    await this.journal.close();
  }

  /** Appends one event and waits until it is on disk. */
  async append(topic: string, payload: string | Uint8Array = '', more: Partial<Event> = {}): Promise<number> {
    return (await this.appendAll([{ topic, payload: Buffer.from(payload), qos: 0, retain: false, ...more }]))[0]!;
  }

  /** Three segments of events of 200 bytes whose topics, which it gives, are all different; their times are so far apart. */
  async appendSegments(eventsEach: number, apartMs: number): Promise<string[]> {
    const topics: string[] = [];
    for (let segment = 0; segment < 3; segment++) {
      const own = Array.from({ length: eventsEach }, (_, i) => `s/${segment}/${i}`);
      await this.appendAll(own.map((topic, i) => ({ topic, payload: Buffer.alloc(200, i), qos: 0, retain: false })));
      topics.push(...own);
      this.nowMs += apartMs;
      await this.journal.rotate();
    }
    return topics;
  }

  /** Three closed segments of one event each, and one in the open segment. */
  async appendThreeAndOpen(): Promise<void> {
    for (const topic of ['a', 'b', 'c']) {
      await this.append(topic);
      await this.journal.rotate();
    }
    await this.append('open');
  }

  async appendAll(events: Event[]): Promise<number[]> {
    const sequences = events.map((event) => this.journal.append({ ...event, seq: 0, ts: '', arrivalMs: 0 }));
    const last = sequences.at(-1) ?? 0;
    while (this.journal.head < last) await new Promise((resolve) => setImmediate(resolve));
    return sequences;
  }

  async openSealer(options: Partial<SealerOptions> = {}): Promise<Sealer> {
    const sealer = await openSealer({
      journal: this.journal,
      store: this.store,
      workDir: join(this.path, 'sealing'),
      clock: this.clock,
      log: this.log,
      ...options,
    });
    this.#sealers.push(sealer);
    return sealer;
  }

  openUpkeep(sealer: Sealer, options: Partial<UpkeepOptions> = {}): Upkeep {
    const upkeep = openUpkeep({
      journal: this.journal,
      store: this.store,
      unsealed: () => sealer.unsealed,
      workDir: join(this.path, 'compacting'),
      clock: this.clock,
      log: this.log,
      ...options,
    });
    this.#sealers.push(upkeep);
    return upkeep;
  }

  /** Closes the current segment and seals all that is closed. */
  async seal(options: Partial<SealerOptions> = {}): Promise<Sealer> {
    await this.journal.rotate();
    const sealer = await this.openSealer(options);
    await sealer.run();
    return sealer;
  }

  catalogue(): Catalogue {
    return new Catalogue({ store: createFsStore(this.archiveDir), journalDir: this.journalDir });
  }

  scan(options: ScanOptions = {}): Scan {
    return scan(this.catalogue(), options);
  }

  async find(options: ScanOptions = {}): Promise<StoredEvent[]> {
    const found: StoredEvent[] = [];
    for await (const records of this.scan(options)) for (const { event } of records) found.push(event);
    return found;
  }

  /** Every file below the data folder, by path. */
  async files(below = ''): Promise<string[]> {
    const entries = await readdir(join(this.path, below), { withFileTypes: true, recursive: true }).catch(() => []);
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(this.path, below).length + 1))
      .sort();
  }

  errors(): string[] {
    return this.logged.filter(({ level }) => level === 'error').map(({ message }) => message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await this.#folder[Symbol.asyncDispose]();
  }
}
