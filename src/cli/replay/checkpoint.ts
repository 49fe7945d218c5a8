import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../../core/atomic-file.ts';
import { errorText, HydrantError, systemCode } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';
import type { TimeRange } from '../../core/time-range.ts';

/** What a replay is told apart by: the same arguments, the same checkpoint. */
export type ReplayArguments = Record<string, unknown>;

/** How far a replay has come: everything up to here is acknowledged by the server. */
export interface Checkpoint {
  v: 1;
  args: ReplayArguments;
  /** The stretch of time that it reads, fixed when it began. */
  range: TimeRange;
  /** Journals that are done with, and the last event of the one after them. */
  finished: string[];
  journal: string;
  /** Sequence of the last event; in days without sequences, how many events of them were published. */
  seq: number;
  published: number;
}

const WRITE_MS = 1000;

/** `DATA/replay/<hash of the arguments>.json`. */
export function checkpointPath(dataDir: string, args: ReplayArguments): string {
  const key = createHash('sha256').update(JSON.stringify(args)).digest('hex').slice(0, 16);
  return join(dataDir, 'replay', `${key}.json`);
}

/** @throws HYD_USAGE when there is none, when it is not readable, or when it belongs to another replay */
export async function readCheckpoint(path: string, args: ReplayArguments): Promise<Checkpoint> {
  let checkpoint: Checkpoint;
  try {
    checkpoint = JSON.parse(await readFile(path, 'utf8')) as Checkpoint;
  } catch (error) {
    const why = systemCode(error) === 'ENOENT' ? 'there is no checkpoint' : `the checkpoint is not readable: ${errorText(error)}:`;
    throw new HydrantError('HYD_USAGE', `${why} ${path}`, {
      cause: error,
      fix: 'Give exactly the arguments of the replay that was interrupted, or start anew without --resume.',
    });
  }
  if (checkpoint.v === 1 && JSON.stringify(checkpoint.args) === JSON.stringify(args)) return checkpoint;
  throw new HydrantError('HYD_USAGE', `${path} is the checkpoint of another replay: ${JSON.stringify(checkpoint.args)}`, {
    fix: 'Give exactly the arguments of the replay that was interrupted, or another --checkpoint.',
  });
}

/** Writes checkpoints, each whole and synced, about one a second. */
export class CheckpointWriter {
  readonly path: string;
  readonly #checkpoint: Checkpoint;
  #writing: Promise<void> | undefined;
  #writtenMs = Number.NEGATIVE_INFINITY;

  constructor(path: string, checkpoint: Checkpoint) {
    this.path = path;
    this.#checkpoint = checkpoint;
  }

  /** Makes sure, before anything is published, that it can be written. @throws the system's error */
  async open(): Promise<void> {
    await makeFolder(dirname(this.path));
    await this.#write();
  }

  /** The server has acknowledged everything up to this event. */
  reached(journal: string, seq: number): void {
    const checkpoint = this.#checkpoint;
    if (journal !== checkpoint.journal) {
      if (checkpoint.published > 0) checkpoint.finished.push(checkpoint.journal);
      checkpoint.journal = journal;
      checkpoint.seq = 0;
    }
    checkpoint.seq = journal === '' ? checkpoint.seq + 1 : seq;
    checkpoint.published++;
    if (this.#writing || performance.now() - this.#writtenMs < WRITE_MS) return;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
    });
    this.#writing.catch(() => {});
  }

  get published(): number {
    return this.#checkpoint.published;
  }

  /** The last state, for a replay that stopped early. */
  async save(): Promise<void> {
    await this.#writing?.catch(() => {});
    await this.#write();
  }

  /** The replay is complete: there is nothing to resume. */
  async remove(): Promise<void> {
    await this.#writing?.catch(() => {});
    await rm(this.path, { force: true });
  }

  #write(): Promise<void> {
    this.#writtenMs = performance.now();
    return writeFileAtomic(this.path, `${JSON.stringify(this.#checkpoint)}\n`);
  }
}

/** Tells, record by record in the archive's order, what a checkpoint has behind it. */
export function skipper(checkpoint: Checkpoint | undefined): (journal: string, seq: number) => boolean {
  if (!checkpoint) return () => false;
  const { journal: last, seq: lastSeq } = checkpoint;
  const finished = new Set(checkpoint.finished);
  let unnumbered = 0;
  return (journal, seq) => {
    if (finished.has(journal)) return true;
    if (journal !== last || checkpoint.published === 0) return false;
    return journal === '' ? unnumbered++ < lastSeq : seq <= lastSeq;
  };
}
