import { closeSync, constants, fdatasyncSync, fsyncSync, ftruncateSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { crashPoint } from '../core/crash-point.ts';
import { errorText, systemCode } from '../core/errors.ts';
import { releaseStartUpMemory } from '../core/start-up.ts';
import { encodeMark, type Mark, markPath } from './mark.ts';

/** One group commit: bytes to add to a segment. With `header`, the segment is made first. */
export interface WriteJob {
  path: string;
  header?: Uint8Array;
  bytes: Uint8Array;
  /** Sequence of the last event in `bytes`. */
  seq: number;
  /** The file must be made anew, whatever an earlier try left of it. */
  fresh: boolean;
}

export type WriterRequest = WriteJob | { close: true; next: number; closedMs: number };

export type WriterReply =
  | { ok: true; seq: number; closed?: undefined }
  /** `sync`: the descriptor is not to be trusted any more (fsync failed); else the write may be tried again. */
  | { ok: false; code: string | undefined; message: string; sync: boolean; closed?: undefined }
  | { closed: true };

/**
 * The only code that writes segments. Runs in a worker of its own, because the process's file pool is shared with
 * password hashing and compression. Blocking calls on purpose: one write, one fdatasync, one answer.
 */
class SegmentWriter {
  #path = '';
  #fd = -1;
  #offset = 0;
  #markFd = -1;
  #seq = 0;

  write(job: WriteJob): WriterReply {
    let syncing = false;
    try {
      if (job.path !== this.#path) this.#open(job);
      crashPoint('journal.before-write');
      writeAll(this.#fd, job.bytes, this.#offset);
      crashPoint('journal.before-sync');
      syncing = true;
      fdatasyncSync(this.#fd);
      syncing = false;
      this.#writeMark({ segment: basename(this.#path), offset: this.#offset + job.bytes.length, seq: job.seq });
      this.#offset += job.bytes.length;
      this.#seq = job.seq;
      crashPoint('journal.after-sync');
      return { ok: true, seq: job.seq };
    } catch (error) {
      this.#undo(syncing);
      return { ok: false, code: systemCode(error), message: errorText(error), sync: syncing };
    }
  }

  /** The mark becomes durable and says how numbering goes on. */
  close(next: number, closedMs: number): void {
    if (this.#fd !== -1) {
      this.#writeMark({ segment: basename(this.#path), offset: this.#offset, seq: this.#seq, next, closedMs });
      fsyncSync(this.#markFd);
      closeSync(this.#fd);
    }
    if (this.#markFd !== -1) closeSync(this.#markFd);
    this.#fd = this.#markFd = -1;
  }

  #open(job: WriteJob): void {
    if (this.#fd !== -1) closeSync(this.#fd);
    this.#fd = -1;
    this.#path = '';
    if (job.fresh) ignoreMissing(() => unlinkSync(job.path));
    const fd = openSync(job.path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      writeAll(fd, job.header!, 0);
      fsyncSync(fd);
      syncFolder(dirname(job.path));
    } catch (error) {
      closeSync(fd);
      ignoreMissing(() => unlinkSync(job.path));
      throw error;
    }
    this.#fd = fd;
    this.#path = job.path;
    this.#offset = job.header!.length;
  }

  /** Takes back what a failed try may have left. After a failed fdatasync the descriptor is given up: its state is unknown. */
  #undo(syncFailed: boolean): void {
    if (this.#fd === -1) return;
    try {
      ftruncateSync(this.#fd, this.#offset);
    } catch {
      syncFailed = true;
    }
    if (syncFailed) {
      closeSync(this.#fd);
      this.#fd = -1;
      this.#path = '';
    }
  }

  #writeMark(mark: Mark): void {
    const bytes = encodeMark(mark);
    if (this.#markFd === -1) {
      const path = markPath(dirname(this.#path));
      const fd = openSync(`${path}.tmp`, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
      writeAll(fd, bytes, 0);
      fsyncSync(fd);
      renameSync(`${path}.tmp`, path);
      syncFolder(dirname(path));
      this.#markFd = fd;
    } else writeAll(this.#markFd, bytes, 0);
  }
}

function writeAll(fd: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function ignoreMissing(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

const writer = new SegmentWriter();
parentPort!.on('message', (request: WriterRequest) => {
  let reply: WriterReply;
  if ('close' in request) {
    writer.close(request.next, request.closedMs);
    reply = { closed: true };
  } else reply = writer.write(request);
  parentPort!.postMessage(reply);
  if (reply.closed) parentPort!.close();
});
releaseStartUpMemory();
