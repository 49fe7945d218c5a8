import { parentPort, workerData } from 'node:worker_threads';
import { releaseStartUpMemory } from '../../core/start-up.ts';
import { EventStore } from './event-store.ts';
import { asFailure, isDamage } from './failure.ts';
import type { Failure, RecordBlock, Reply, Request } from './messages.ts';

const port = parentPort!;
const { path } = workerData as { path: string };
let store: EventStore | undefined;
/** A damaged file is not written to any more. */
let damage: Failure | undefined;

function answer(request: Request, events: EventStore): Pick<Reply, 'result' | 'stale'> {
  switch (request.kind) {
    case 'commit': {
      const result = events.commit(request);
      return result ? { result } : { stale: true };
    }
    case 'bounds':
      return { result: events.setBounds(request.channel, request) };
    case 'read':
      return { result: events.reader.read(request.channel, request.afterSeq, request.maxEvents, request.maxBytes) };
    case 'quarantined':
      return { result: events.reader.quarantined(request.afterSeq, request.maxEvents, request.maxBytes) };
    case 'oldest':
      return { result: events.reader.oldest(request.channel, request.afterSeq, request.events, request.bytes) };
    case 'due':
      return { result: events.reader.due(request.nowMs, request.ages, request.maxEvents) };
    case 'note':
      return { result: events.reader.note(request.name) };
    case 'dropped':
      return { result: events.reader.dropped() };
    case 'poll':
      return { result: events.poll() };
    case 'close':
      return { result: events.close() };
  }
}

function reply(work: () => Pick<Reply, 'result' | 'stale'>, spare?: ArrayBuffer): void {
  const message: Reply = { reports: [], foreign: [], spare };
  try {
    Object.assign(message, work());
  } catch (error) {
    message.failure = asFailure(error);
    if (isDamage(message.failure)) damage = message.failure;
  }
  try {
    if (store && !damage) Object.assign(message, store.takeReports());
  } catch {
    // What was done is done; the next reply says how the channels stand.
  }
  const block = message.result as Partial<RecordBlock> | undefined;
  port.postMessage(
    message,
    [block?.buffer, spare].filter((buffer) => buffer !== undefined),
  );
}

port.on('message', (request: Request) => {
  if (damage && request.kind !== 'close') port.postMessage({ failure: damage, reports: [], foreign: [] } satisfies Reply);
  else reply(() => answer(request, store!), request.kind === 'commit' ? request.puts?.buffer : undefined);
  if (request.kind === 'close') port.close();
});
reply(() => {
  store = new EventStore(path);
  return {};
});
releaseStartUpMemory();
