import type { GearmanConnection } from './connection.ts';
import { COMMAND, type GearmanPacket, splitArguments } from './packet.ts';

/** A job as a server gives it. */
export interface GearmanJob {
  /** What its client named it, or the server; the same each time that the job is given. */
  unique: string;
  workload: Buffer;
}

/** What to tell the server of a job. */
export type JobOutcome = { isDone: true } | { isDone: false; why: string };

export interface WorkerOptions {
  /** Of the jobs that are wanted. */
  functionName: string;
  clientId: string;
  /** Fail jobs with the reason (`WORK_EXCEPTION`): the server ends the job with it, and tells clients that did not ask for reasons that it failed. */
  exceptions: boolean;
  /** Answered only once what it returns is true of the disk. What it throws leaves the job with the server, which gives it again. */
  handle(job: GearmanJob, signal: AbortSignal): Promise<JobOutcome>;
  /** The server has answered, and a first job, if there was one, is done. */
  onUp(): void;
}

/**
 * Asks a server for jobs, one after the other, until the connection is over. CAN_DO without a time limit: a server that ends a job by the clock forgets it,
 * and here a job may wait for a bus that is away.
 * @throws HYD_SOURCE when the connection is over; what `handle` throws
 */
export async function work(
  connection: GearmanConnection,
  { functionName, clientId, exceptions, handle, onUp }: WorkerOptions,
): Promise<never> {
  connection.send(COMMAND.SET_CLIENT_ID, clientId);
  connection.send(COMMAND.CAN_DO, functionName);
  for (;;) {
    connection.send(COMMAND.GRAB_JOB_UNIQ);
    const packet = await expect(connection, COMMAND.NO_JOB, COMMAND.JOB_ASSIGN_UNIQ);
    if (packet.command === COMMAND.NO_JOB) {
      onUp();
      connection.send(COMMAND.PRE_SLEEP);
      await expect(connection, COMMAND.NOOP);
      continue;
    }
    const [jobHandle, , unique, workload] = splitArguments(packet.data, 4) ?? [];
    if (!jobHandle || !unique || !workload) {
      connection.fail('it gave a job without its parts', true);
      continue;
    }
    const outcome = await handle({ unique: unique.toString(), workload }, connection.ended);
    if (outcome.isDone) connection.send(COMMAND.WORK_COMPLETE, jobHandle, '');
    else if (exceptions) connection.send(COMMAND.WORK_EXCEPTION, jobHandle, outcome.why);
    else connection.send(COMMAND.WORK_FAIL, jobHandle);
    await connection.sent();
    onUp();
  }
}

/** The next packet of one of these commands. A NOOP may come at any time: it was on its way when we woke by ourselves. */
async function expect(connection: GearmanConnection, ...commands: readonly number[]): Promise<GearmanPacket> {
  for (;;) {
    const packet = await connection.receive();
    if (commands.includes(packet.command)) return packet;
    if (packet.command !== COMMAND.NOOP) connection.fail(`it sent command ${packet.command}, which answers nothing`, true);
  }
}
