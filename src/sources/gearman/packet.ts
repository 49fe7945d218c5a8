/** Numbers of the commands that a worker sends and gets, from the server's `PROTOCOL` document. */
export const COMMAND = {
  CAN_DO: 1,
  PRE_SLEEP: 4,
  NOOP: 6,
  SUBMIT_JOB: 7,
  JOB_CREATED: 8,
  GRAB_JOB: 9,
  NO_JOB: 10,
  WORK_COMPLETE: 13,
  WORK_FAIL: 14,
  ECHO_REQ: 16,
  ECHO_RES: 17,
  SUBMIT_JOB_BG: 18,
  ERROR: 19,
  SET_CLIENT_ID: 22,
  WORK_EXCEPTION: 25,
  GRAB_JOB_UNIQ: 30,
  JOB_ASSIGN_UNIQ: 31,
} as const;

export interface GearmanPacket {
  command: number;
  data: Buffer;
}

const HEADER_BYTES = 12;
const REQUEST = '\0REQ';
const RESPONSE = '\0RES';

/** A packet to the server: arguments with a NUL between them. */
export function encodeRequest(command: number, ...args: readonly (string | Uint8Array)[]): Buffer {
  const parts = args.flatMap((arg, i) => [...(i > 0 ? [Buffer.of(0)] : []), typeof arg === 'string' ? Buffer.from(arg) : arg]);
  const data = Buffer.concat(parts);
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(REQUEST, 'latin1');
  header.writeUInt32BE(command, 4);
  header.writeUInt32BE(data.length, 8);
  return Buffer.concat([header, data]);
}

/** The first `count` arguments of a packet; the last has all that is left, also further NULs. Undefined when there are fewer. */
export function splitArguments(data: Buffer, count: number): Buffer[] | undefined {
  const args: Buffer[] = [];
  let from = 0;
  while (args.length < count - 1) {
    const to = data.indexOf(0, from);
    if (to === -1) return undefined;
    args.push(data.subarray(from, to));
    from = to + 1;
  }
  args.push(data.subarray(from));
  return args;
}

/** Finds a server's packets in what comes in pieces. Holds one packet of `maxBytes` and a piece. */
export class PacketReader {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #held = 0;
  #needed = HEADER_BYTES;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @throws what is wrong with the bytes, in a few words; nothing can be read after it */
  push(bytes: Buffer): GearmanPacket[] {
    this.#pieces.push(bytes);
    this.#held += bytes.length;
    const packets: GearmanPacket[] = [];
    while (this.#held >= this.#needed) {
      const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
      if (all.toString('latin1', 0, 4) !== RESPONSE) throw new Error('its bytes are no packet of gearman');
      const end = HEADER_BYTES + all.readUInt32BE(8);
      if (end > this.#maxBytes) throw new Error(`a packet of ${end} bytes, more than ${this.#maxBytes}`);
      this.#pieces = [all];
      this.#needed = end;
      if (all.length < end) break;
      packets.push({ command: all.readUInt32BE(4), data: all.subarray(HEADER_BYTES, end) });
      this.#pieces = [all.subarray(end)];
      this.#held = all.length - end;
      this.#needed = HEADER_BYTES;
    }
    return packets;
  }
}
