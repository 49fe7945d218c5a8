import { createHash } from 'node:crypto';
import type { Event } from '../wire/event.ts';
import { Rate } from './rate.ts';

/** What a client did or had done to it, on `$hydrant/clients/<client id>/<kind>`; docs/reference/client-events.md says what each tells. */
export type ClientEventKind = 'connected' | 'disconnected' | 'subscribed' | 'unsubscribed' | 'refused' | 'dropped' | 'ended';

/** One client as the events name it. */
export interface ClientNames {
  clientId: string;
  user: string;
  /** Address and port. */
  remote?: string;
}

interface ClientEventsParts {
  isOn(): boolean;
  /** @param nowMs of a clock that never goes back */
  nowMs(): number;
  publish(event: Event): void;
  /** So many are not told. */
  onUntold(events: number): void;
}

type Details = Record<string, unknown>;

/** What one client did of one kind since the last tick that told. */
interface Run {
  told: number;
  /** Not told, and the last of them. */
  held: number;
  last: { kind: ClientEventKind; names: ClientNames; details: Details; at: number } | undefined;
}

/** Of one kind and client that are told at once; what comes beyond within ten seconds is told as one, with its number. */
const AT_ONCE = 10;
const TELL_EVERY_MS = 10_000;
/** Of all clients: enough for a fleet that comes back at once, and on average a bound on what an attacker can fill the disk with. */
const BURST = 20_000;
const PER_SECOND = 50;
const LONGEST_LEVEL = 200;

/**
 * Tells about clients as events like any other: journalled, found, replayed. They are made by the server, so they are QoS 0: nobody waits for
 * them. Whoever floods is told about less often.
 */
export class ClientEvents {
  readonly #parts: ClientEventsParts;
  readonly #runs = new Map<string, Run>();
  readonly #rate: Rate;
  #toldAtMs: number;
  #heard = 0;

  constructor(parts: ClientEventsParts) {
    this.#parts = parts;
    this.#toldAtMs = parts.nowMs();
    this.#rate = new Rate(BURST, this.#toldAtMs);
  }

  /** @param times how many this one stands for */
  tell(kind: ClientEventKind, names: ClientNames, details: Details = {}, times = 1): void {
    if (!this.#parts.isOn()) return;
    const key = `${kind}/${names.clientId}`;
    const run = this.#runs.get(key);
    if (!run || run.told < AT_ONCE) {
      if (!this.#publish(kind, names, details, times)) return;
      if (run) run.told++;
      else this.#runs.set(key, { told: 1, held: 0, last: undefined });
    } else {
      run.held += times;
      run.last = { kind, names, details, at: this.#heard++ };
    }
  }

  /** Tells, every ten seconds, what was held back since. True when those are over. */
  tick(): boolean {
    const nowMs = this.#parts.nowMs();
    if (nowMs - this.#toldAtMs < TELL_EVERY_MS) return false;
    this.#toldAtMs = nowMs;
    this.flush();
    return true;
  }

  /** Tells what was held back, in the order in which the last of each happened. */
  flush(): void {
    const held = [...this.#runs.values()].filter(({ last }) => last !== undefined).sort((a, b) => a.last!.at - b.last!.at);
    this.#runs.clear();
    for (const { last, held: times } of held) this.#publish(last!.kind, last!.names, last!.details, times);
  }

  #publish(kind: ClientEventKind, { clientId, user, remote }: ClientNames, details: Details, times: number): boolean {
    if (this.#rate.take(PER_SECOND, BURST, this.#parts.nowMs()) > 0) {
      this.#rate.giveBack();
      this.#parts.onUntold(times);
      return false;
    }
    const told = { client: clientId, user, remote, ...details, ...(times > 1 ? { times } : {}) };
    this.#parts.publish({
      topic: `${clientTopic(clientId)}/${kind}`,
      payload: Buffer.from(JSON.stringify(told)),
      qos: 0,
      retain: false,
      contentType: 'application/json',
    });
    return true;
  }
}

/** The topic below which a client's events are. */
export function clientTopic(clientId: string): string {
  return `$hydrant/clients/${topicLevel(clientId)}`;
}

/**
 * A client id as one topic level: `/`, `+`, `#` and `%` are percent-encoded, nothing at all is `%`, and one that is too long for a topic is its
 * beginning, `%.` and a hash.
 */
export function topicLevel(text: string): string {
  if (text === '') return '%';
  const level = text.replace(/[/+#%\0]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
  if (level.length <= LONGEST_LEVEL) return level;
  const beginning = level.slice(0, LONGEST_LEVEL).replace(/%.?$/, '').toWellFormed();
  return `${beginning}%.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}
