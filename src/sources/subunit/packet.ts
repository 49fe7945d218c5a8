/** What a packet says of a test; none is `undefined`. */
export type SubunitStatus = 'exists' | 'inprogress' | 'success' | 'uxsuccess' | 'skip' | 'fail' | 'xfail';

/** One packet of a subunit v2 stream, every field. A field that the packet does not have is undefined. */
export interface SubunitPacket {
  testId: string | undefined;
  status: SubunitStatus | undefined;
  tags: string[] | undefined;
  /** Since 1970. */
  seconds: number | undefined;
  nanoseconds: number;
  /** Whether the test can be run by this id. */
  runnable: boolean;
  /** The last of its test or of its file. */
  eof: boolean;
  mimeType: string | undefined;
  fileName: string | undefined;
  /** A part of the buffer that was parsed: copy what is kept. */
  fileBytes: Buffer | undefined;
  routeCode: string | undefined;
}

export const SIGNATURE = 0xb3;
/** Signature, flags, a length of one byte and the checksum. */
export const LEAST_BYTES = 8;
export const CHECKSUM_BYTES = 4;

const VERSION = 2;
const HAS_TEST_ID = 0x0800;
const HAS_ROUTE_CODE = 0x0400;
const HAS_TIME = 0x0200;
const IS_RUNNABLE = 0x0100;
const HAS_TAGS = 0x0080;
const HAS_FILE = 0x0040;
const HAS_MIME_TYPE = 0x0020;
const IS_EOF = 0x0010;

const STATUSES = [undefined, 'exists', 'inprogress', 'success', 'uxsuccess', 'skip', 'fail', 'xfail'] as const;

/** What is no packet after all. */
const NONE = -1;

/** The length that a packet at `at` claims, or 0 where none can begin. Needs five bytes. */
export function claimedBytes(bytes: Buffer, at: number): number {
  if (bytes[at] !== SIGNATURE || bytes[at + 1]! >> 4 !== VERSION) return 0;
  const first = bytes[at + 3]!;
  const low = first & 0x3f;
  const width = first >> 6;
  const length = width === 0 ? low : width === 1 ? (low << 8) | bytes[at + 4]! : width === 2 ? (low << 16) | bytes.readUInt16BE(at + 4) : 0;
  return length >= LEAST_BYTES ? length : 0;
}

/** The fields of the packet from `at` to `end`, its checksum included and right; undefined when they do not fill it exactly. */
export function readPacket(bytes: Buffer, at: number, end: number): SubunitPacket | undefined {
  const fields = new Fields(bytes, at + 4 + (bytes[at + 3]! >> 6), end - CHECKSUM_BYTES);
  const flags = bytes.readUInt16BE(at + 1);
  const packet: SubunitPacket = {
    testId: undefined,
    status: STATUSES[flags & 7],
    tags: undefined,
    seconds: undefined,
    nanoseconds: 0,
    runnable: (flags & IS_RUNNABLE) !== 0,
    eof: (flags & IS_EOF) !== 0,
    mimeType: undefined,
    fileName: undefined,
    fileBytes: undefined,
    routeCode: undefined,
  };
  if (flags & HAS_TIME) {
    packet.seconds = fields.word();
    packet.nanoseconds = fields.number();
  }
  if (flags & HAS_TEST_ID) packet.testId = fields.text();
  if (flags & HAS_TAGS) packet.tags = fields.texts();
  if (flags & HAS_MIME_TYPE) packet.mimeType = fields.text();
  if (flags & HAS_FILE) {
    packet.fileName = fields.text();
    packet.fileBytes = fields.bytes();
  }
  if (flags & HAS_ROUTE_CODE) packet.routeCode = fields.text();
  return fields.isDone() ? packet : undefined;
}

/** Reads fields one after the other; what goes past the end makes all of it void. */
class Fields {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  isDone(): boolean {
    return this.#at === this.#end;
  }

  word(): number {
    const from = this.#take(4);
    return from === NONE ? 0 : this.#bytes.readUInt32BE(from);
  }

  /** The two uppermost bits say how many bytes follow. */
  number(): number {
    const from = this.#take(1);
    if (from === NONE) return 0;
    const width = this.#bytes[from]! >> 6;
    let value = this.#bytes[from]! & 0x3f;
    const rest = this.#take(width);
    if (rest === NONE) return 0;
    for (let i = 0; i < width; i++) value = value * 256 + this.#bytes[rest + i]!;
    return value;
  }

  text(): string {
    const length = this.number();
    const from = this.#take(length);
    return from === NONE ? '' : this.#bytes.toString('utf8', from, from + length);
  }

  texts(): string[] {
    const texts: string[] = [];
    for (let count = this.number(); count > 0 && this.#at <= this.#end; count--) texts.push(this.text());
    return texts;
  }

  bytes(): Buffer {
    const length = this.number();
    const from = this.#take(length);
    return from === NONE ? Buffer.alloc(0) : this.#bytes.subarray(from, from + length);
  }

  #take(count: number): number {
    const from = this.#at;
    this.#at += count;
    if (this.#at <= this.#end) return from;
    this.#at = this.#end + 1;
    return NONE;
  }
}
