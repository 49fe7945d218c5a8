import type { DatabaseSync } from 'node:sqlite';
import { crashPoint } from '../../core/crash-point.ts';
import { Changes } from './changes.ts';
import { ChannelTable } from './channel-table.ts';
import { numberOf, openDatabase } from './database.ts';
import { EventReader } from './event-reader.ts';
import { EventWriter, type StoreBounds } from './event-writer.ts';
import type { ChannelReport, CommitRequest, CommitResult, PutResult } from './messages.ts';
import { Reserve } from './reserve.ts';
import { Statements } from './statements.ts';

const NOTHING_PUT: PutResult = { firsts: [], refused: [], replaced: [], leftOut: false };

/** The events of an outbox in SQLite, one transaction for a batch. Runs in the worker thread. */
export class EventStore {
  readonly reader: EventReader;
  readonly #db: DatabaseSync;
  readonly #channels: ChannelTable;
  readonly #writer: EventWriter;
  readonly #changes: Changes;
  readonly #reserve: Reserve;
  readonly #foreign = new Set<string>();
  #dataVersion: number;
  #epoch = 0;

  constructor(path: string) {
    this.#db = openDatabase(path);
    const sql = new Statements(this.#db);
    this.#channels = new ChannelTable(sql);
    this.reader = new EventReader(sql, this.#channels);
    this.#writer = new EventWriter(sql, this.#channels, this.reader);
    this.#changes = new Changes(sql, this.#channels, this.reader, this.#writer);
    this.#dataVersion = numberOf(this.#db, 'data_version');
    this.#channels.load();
    this.#reserve = new Reserve(path, this.#db);
  }

  setBounds(channel: string, bounds: StoreBounds): void {
    this.#writer.setBounds(channel, bounds);
  }

  /** One transaction, or nothing. @returns undefined when the batch is stale */
  commit({ epoch, nowMs, removed, dropped, changes, puts }: CommitRequest): CommitResult | undefined {
    if (epoch !== this.#epoch) return undefined;
    try {
      if (puts) this.#reserve.assertSpace(puts);
      this.#db.exec('BEGIN IMMEDIATE');
      this.poll();
      for (let i = 0; i < removed.length; i += 2) this.#writer.remove(removed[i]!, removed[i + 1]!);
      for (const range of dropped) this.#writer.noteDropped(range);
      const done = changes.map((change) => this.#changes.make(change, nowMs));
      const put = puts ? this.#writer.put(puts, nowMs) : NOTHING_PUT;
      this.#channels.save();
      crashPoint('outbox.before-commit');
      this.#db.exec('COMMIT');
      crashPoint('outbox.after-commit');
      if (put.leftOut) this.#epoch++;
      this.#reserve.restore();
      return { changes: done, ...put };
    } catch (error) {
      this.#epoch++;
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      this.#reserve.release(puts);
      this.#channels.load();
      throw error;
    }
  }

  /** Channels that changed since it was last asked. */
  takeReports(): { reports: ChannelReport[]; foreign: string[] } {
    const reports = this.#channels.takeReports();
    const foreign = [...this.#foreign];
    this.#foreign.clear();
    return { reports, foreign };
  }

  /** Looks for what other processes did. */
  poll(): void {
    const dataVersion = numberOf(this.#db, 'data_version');
    if (dataVersion === this.#dataVersion) return;
    this.#dataVersion = dataVersion;
    for (const name of this.#channels.load()) this.#foreign.add(name);
  }

  close(): void {
    this.#db.close();
  }
}
