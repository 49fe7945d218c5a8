import { parentPort, workerData } from 'node:worker_threads';
import { type ErrorCode, errorText, HydrantError } from '../../core/errors.ts';
import { giveWay } from './give-way.ts';
import { type JoinedObjects, type JoinJob, joinObjects } from './join-objects.ts';
import { type SealedRun, type SealSegmentJob, sealSegment } from './seal-segment.ts';

export type SealJob = SealSegmentJob | JoinJob;
export type SealReply = { ok: true; result: SealedRun[] | JoinedObjects } | { ok: false; code: ErrorCode; message: string };

/** What the thread is started with. */
export interface SealStart {
  givesWay: boolean;
}

if ((workerData as SealStart).givesWay) giveWay();

parentPort!.on('message', async (job: SealJob) => {
  let reply: SealReply;
  try {
    reply = { ok: true, result: job.kind === 'segment' ? sealSegment(job) : await joinObjects(job) };
  } catch (error) {
    reply = { ok: false, code: error instanceof HydrantError ? error.code : 'HYD_STORE', message: errorText(error) };
  }
  parentPort!.postMessage(reply);
});
