import { parentPort } from 'node:worker_threads';
import { type ErrorCode, errorText, HydrantError } from '../core/errors.ts';
import { type CheckDayJob, type CheckedDay, checkDay } from './check-day.ts';
import { type SealedRun, type SealSegmentJob, sealSegment } from './seal-segment.ts';

export type SealJob = SealSegmentJob | CheckDayJob;
export type SealReply = { ok: true; result: SealedRun[] | CheckedDay } | { ok: false; code: ErrorCode; message: string };

parentPort!.on('message', (job: SealJob) => {
  let reply: SealReply;
  try {
    reply = { ok: true, result: job.kind === 'segment' ? sealSegment(job) : checkDay(job) };
  } catch (error) {
    reply = { ok: false, code: error instanceof HydrantError ? error.code : 'HYD_STORE', message: errorText(error) };
  }
  parentPort!.postMessage(reply);
});
