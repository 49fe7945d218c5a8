import type { Message } from './message.ts';
import type { Route } from './subscription.ts';

/** A message that waits in memory for room in its session. */
export interface Waiting {
  message: Message;
  route: Route;
  /** Because of a new subscription: it is in no place of the journal that reading would come by. */
  retained: boolean;
}

const TRIM_AT = 1024;

/** Messages that wait in memory for one session, in order. The bytes are shared with everybody else. */
export class WaitingQueue {
  #list: Waiting[] = [];
  #head = 0;
  #bytes = 0;

  get length(): number {
    return this.#list.length - this.#head;
  }

  /** Bytes of payload, retained messages not counted: they are in memory anyway. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Sequence of the first that the journal has too. */
  get firstSeq(): number | undefined {
    for (let at = this.#head; at < this.#list.length; at++) {
      const { message, retained } = this.#list[at]!;
      if (!retained && message.seq > 0) return message.seq;
    }
    return undefined;
  }

  push(waiting: Waiting): void {
    waiting.message.keep();
    this.#list.push(waiting);
    if (!waiting.retained) this.#bytes += waiting.message.payload.length;
  }

  shift(): Waiting | undefined {
    const waiting = this.#list[this.#head];
    if (!waiting) return undefined;
    this.#head++;
    if (!waiting.retained) this.#bytes -= waiting.message.payload.length;
    if (this.length === 0 || this.#head > TRIM_AT) {
      this.#list = this.#list.slice(this.#head);
      this.#head = 0;
    }
    return waiting;
  }

  /** Lets go of what can be read from the journal again. */
  keepRetained(): void {
    this.#list = this.#list.slice(this.#head).filter((waiting) => waiting.retained);
    this.#head = 0;
    this.#bytes = 0;
  }
}
