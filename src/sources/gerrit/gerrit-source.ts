import { errorFix, errorText } from '../../core/errors.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { Source, SourceContext, TestStep } from '../source.ts';
import { type Identity, login, openSocket } from './connection.ts';
import { type EventStream, startStream } from './event-stream.ts';
import { EventsLog } from './events-log.ts';
import { Filling } from './filling.ts';
import { readEvent, topicOf } from './gerrit-event.ts';
import { HeldLines } from './held-lines.ts';
import { readIdentity } from './identity.ts';
import { Intake } from './intake.ts';
import type { GerritOptions } from './options.ts';
import { Position } from './position.ts';

/** The last step of a test: its time may pass without one. */
const EVENTS = 'events arrive';
/** Events that a test shows. */
const SHOWN = 3;

export class GerritSource implements Source {
  readonly #options: GerritOptions;
  readonly #context: SourceContext;
  readonly #identity: Identity;
  readonly #position: Position;
  readonly #log: EventsLog | undefined;

  constructor(options: GerritOptions, context: SourceContext, identity: Identity) {
    this.#options = options;
    this.#context = context;
    this.#identity = identity;
    this.#position = new Position(context.cursor);
    const { eventsLog, user, maxLine } = options;
    if (eventsLog) this.#log = new EventsLog({ user, ...eventsLog, maxLine });
  }

  static async open(options: GerritOptions, context: SourceContext): Promise<GerritSource> {
    return new GerritSource(options, context, await readIdentity(options));
  }

  async run(signal: AbortSignal): Promise<void> {
    const ending = new AbortController();
    const inner = AbortSignal.any([signal, ending.signal]);
    const stop = (): void => void stream.fail(signal.reason);
    await using stream = await this.#connect(inner);
    this.#context.up();
    signal.addEventListener('abort', stop, { once: true });
    const intake = new Intake(this.#options, this.#context, this.#position);
    intake.onFailure = (error) => stream.fail(error);
    const held = new HeldLines((line) => intake.take(line, 'stream'));
    try {
      await this.#resume(stream, intake, held, inner);
      await this.#read(stream, intake, held);
      if (!signal.aborted) throw await stream.ending();
    } finally {
      ending.abort();
      signal.removeEventListener('abort', stop);
      intake.abandon();
    }
  }

  async *test(signal: AbortSignal): AsyncGenerator<TestStep> {
    const { host, port, user, type, silence, base } = this.#options;
    const step = (what: string): TestStep => ({ ok: true, what });
    let what = `${host}:${port} is there`;
    try {
      const socket = await openSocket(this.#options, signal);
      yield step(what);
      what = `the server's key is known and ${user} may log in`;
      const { client, shown } = await login(socket, this.#options, this.#identity, signal);
      yield step(`${what} (${shown})`);
      what = `gerrit stream-events runs`;
      await using stream = await startStream({ socket, client, silenceMs: silence, now: this.#context.now, onAlive: () => {} }, type);
      yield step(what);
      if (this.#log) {
        what = 'the events log answers';
        const nowS = Math.floor(this.#context.now() / 1000);
        await this.#log.read(nowS - 60, nowS, signal);
        yield step(what);
      }
      what = EVENTS;
      signal.addEventListener('abort', () => stream.fail(signal.reason), { once: true });
      let shownEvents = 0;
      const splitter = new LineSplitter(this.#options.maxLine, () => {});
      for await (const chunk of stream.chunks()) {
        for (const line of splitter.push(chunk)) {
          const event = readEvent(line);
          if (event) yield { event: { topic: topicOf(event, base), payload: event.payload } };
          if (event && ++shownEvents === SHOWN) return;
        }
      }
      throw await stream.ending();
    } catch (error) {
      if (!signal.aborted || what !== EVENTS) yield { ok: false, what, why: errorText(error), fix: errorFix(error) ?? 'Try again.' };
    }
  }

  async #connect(signal: AbortSignal): Promise<EventStream> {
    const socket = await openSocket(this.#options, signal);
    const { client } = await login(socket, this.#options, this.#identity, signal);
    const { silence: silenceMs, type } = this.#options;
    const onAlive = (ms: number): void => {
      this.#context.seen();
      this.#position.alive(ms);
    };
    return startStream({ socket, client, silenceMs, now: this.#context.now, onAlive }, type);
  }

  /** What was missed since the last connection is read from the events log, or told. */
  async #resume(stream: EventStream, intake: Intake, held: HeldLines, signal: AbortSignal): Promise<void> {
    const { completeS, aliveMs = 0 } = this.#position;
    const nowMs = this.#context.now();
    const log = this.#log;
    if (!log) {
      intake.onDropped = () => intake.lost('dropped-output', 'the server had more events than it queues for a connection');
      if (completeS === undefined) this.#position.advance(Math.floor(nowMs / 1000));
      else await intake.lost('disconnected', 'there is no events log to read them from', Math.max(completeS * 1000, aliveMs));
      return;
    }
    const filling = new Filling({ log, intake, position: this.#position, context: this.#context, delayMs: this.#options.eventsLog!.delay });
    filling.onFirst = async () => {
      await held.release();
      intake.commit();
    };
    const fill = (fromS: number): void => void filling.open(fromS, signal).catch((error: unknown) => stream.fail(error));
    intake.onDropped = async () => fill(this.#position.completeS ?? Math.floor(nowMs / 1000));
    if (completeS === undefined) return this.#position.advance(Math.floor(nowMs / 1000));
    held.hold();
    fill(completeS);
  }

  async #read(stream: EventStream, intake: Intake, held: HeldLines): Promise<void> {
    const { maxLine } = this.#options;
    const tooLong: number[] = [];
    const splitter = new LineSplitter(maxLine, (bytes) => void tooLong.push(bytes));
    for await (const chunk of stream.chunks()) {
      for (const line of splitter.push(chunk)) if (line.length > 0) await held.take(line);
      for (const bytes of tooLong.splice(0)) {
        this.#context.refused('a line is too long', { bytes, maxLine });
        await intake.lost('too-long', `a line of ${bytes} bytes; maxLine is ${maxLine}`);
      }
      intake.commit();
    }
    const rest = splitter.end();
    // A line that was cut off is part of what the connection lost.
    if (rest && readEvent(rest)) await held.take(rest);
    intake.commit();
  }
}
