import { HydrantError } from '../../core/errors.ts';
import type { PublishRequest } from '../../mqtt/client.ts';
import { publishProperties } from '../../mqtt/event-properties.ts';
import type { QoS } from '../../wire/event.ts';
import { REPLAY_MARK } from '../../wire/replay-mark.ts';
import { topicFault } from '../../wire/topic.ts';
import { connect } from '../connect.ts';
import type { Connecting } from '../connection-options.ts';
import type { Io } from '../io.ts';
import { publishAll } from '../publish-all.ts';
import type { Search } from '../search.ts';
import type { CheckpointWriter, skipper } from './checkpoint.ts';
import type { Pace } from './pace.ts';
import { createRewriter, type Rewrite } from './rewrite.ts';

const WINDOW = 1000;
const ACK_TIMEOUT_MS = 30_000;

type ScanRecord = Search['records'] extends AsyncIterable<(infer R)[]> ? R : never;

export interface ReplayOptions {
  /** Topic under which an event is published again. */
  topicOf: (topic: string) => string;
  /** Instead of the original one. */
  qos?: QoS;
  retain: boolean;
}

export interface Replayed {
  /** By this run. */
  published: number;
  /** Events whose topic the server would refuse. */
  leftOut: number;
}

/** How topics change: by the first rule that matches, then under the prefix. */
export function createTopicOf({ to, rewrite = [] }: { to?: string; rewrite?: readonly Rewrite[] }): (topic: string) => string {
  const rewritten = createRewriter(rewrite);
  return (topic) => (to === undefined ? rewritten(topic) : `${to.replace(/\/$/, '')}/${rewritten(topic)}`);
}

/** Whether a topic cannot be published to: it is none, or nobody but the server itself may. */
export function isRefused(topic: string): boolean {
  return topic.startsWith('$') || topicFault(topic) !== undefined;
}

export function replayRequest({ event, journal, epoch }: ScanRecord, options: ReplayOptions, version: 3 | 4 | 5): PublishRequest {
  const request: PublishRequest = {
    topic: options.topicOf(event.topic),
    payload: event.payload,
    qos: options.qos ?? event.qos,
    retain: options.retain && event.retain,
  };
  if (version < 5) return request;
  request.properties = publishProperties(event);
  const identity = journal === '' ? event.ts : `${journal}-${epoch}-${event.seq}`;
  request.userProperties = [...(event.props?.user ?? []).filter(([name]) => name !== REPLAY_MARK), [REPLAY_MARK, identity]];
  return request;
}

/**
 * Publishes what the search finds, in order, a window at a time, and notes what the server has acknowledged.
 * @throws what `publishAll` and the search throw; the checkpoint is saved then
 */
export async function replay(
  search: Search,
  target: Connecting,
  options: ReplayOptions & { pace: Pace; writer: CheckpointWriter; behind: ReturnType<typeof skipper> },
  io: Io,
): Promise<Replayed> {
  const { pace, writer, behind } = options;
  const flying: { journal: string; seq: number }[] = [];
  let first = 0;
  let leftOut = 0;
  async function* requests(): AsyncGenerator<PublishRequest> {
    for await (const records of search.records) {
      for (const record of records) {
        if (behind(record.journal, record.event.seq)) continue;
        if (isRefused(options.topicOf(record.event.topic))) {
          leftOut++;
          continue;
        }
        await pace.until(Date.parse(record.event.ts), io.signal);
        flying.push({ journal: record.journal, seq: record.event.seq });
        yield replayRequest(record, options, target.version);
      }
    }
  }
  const onAcked = (): void => {
    const { journal, seq } = flying[first++]!;
    writer.reached(journal, seq);
    if (first < 4 * WINDOW) return;
    flying.splice(0, first);
    first = 0;
  };
  await using client = await connect(target, io.signal, { maxInFlight: WINDOW });
  try {
    const published = await publishAll(client, requests(), { window: WINDOW, timeoutMs: ACK_TIMEOUT_MS, signal: io.signal, onAcked });
    return { published, leftOut };
  } catch (error) {
    await writer.save();
    if (!(error instanceof HydrantError)) throw error;
    const why = error.code === 'HYD_ABORTED' ? 'interrupted' : error.message;
    throw new HydrantError(error.code, `${why}; ${writer.published} events are acknowledged and noted in ${writer.path}`, {
      cause: error,
      fix: 'Run the same command with --resume to go on from there.',
    });
  }
}
