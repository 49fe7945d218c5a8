import type { EventProps, QoS, StoredEvent } from '../../wire/event.ts';
import { decodeLine } from '../../wire/line.ts';
import type { LineView } from '../line-view.ts';

/** It cannot stand inside a JSON string. */
const PROPS = Buffer.from(',"props":');

/**
 * A line as an event of which each field is read when it is asked for; topic, time, sequence and payload without parsing the line.
 * Reused from line to line: whoever is given it keeps nothing of it.
 */
export class LineFields implements StoredEvent {
  readonly #view: LineView;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #topic: string | undefined;
  #payload: Uint8Array | undefined;
  #parsed: StoredEvent | undefined;

  constructor(view: LineView) {
    this.#view = view;
  }

  /** The line `bytes[start, end)`, which the view has read and whose checksum was good. */
  set(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#topic = this.#payload = this.#parsed = undefined;
  }

  get topic(): string {
    this.#topic ??= this.#view.topic();
    return this.#topic;
  }

  get payload(): Uint8Array {
    this.#payload ??= this.#view.payload() ?? this.#all.payload;
    return this.#payload;
  }

  get ts(): string {
    return this.#view.ts();
  }

  get seq(): number {
    return this.#view.seq();
  }

  get qos(): QoS {
    return this.#all.qos;
  }

  get retain(): boolean {
    return this.#all.retain;
  }

  get id(): string | undefined {
    return this.#all.id;
  }

  get contentType(): string | undefined {
    return this.#all.contentType;
  }

  get source(): string | undefined {
    return this.#all.source;
  }

  get dup(): boolean | undefined {
    return this.#all.dup;
  }

  /** Most lines have none, and a look at their bytes says so. */
  get props(): EventProps | undefined {
    if (!this.#parsed && !this.#bytes.subarray(this.#start, this.#end).includes(PROPS)) return undefined;
    return this.#all.props;
  }

  get inbound(): string | undefined {
    return this.#all.inbound;
  }

  get #all(): StoredEvent {
    this.#parsed ??= decodeLine(this.#bytes, this.#start, this.#end, { crc: 'checked' });
    return this.#parsed;
  }
}
