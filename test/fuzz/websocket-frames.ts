import { randomBytes } from 'node:crypto';

export const BINARY = 2;
export const CLOSE = 8;

/** Frames that end a websocket, each with the MQTT 5 codes that may be told (none: any, or no word). */
export const FRAME_FAULTS: readonly { what: string; bytes: Buffer; codes: number[] }[] = [
  { what: 'a text message', bytes: maskedFrame(1, Buffer.from('text')), codes: [0x81, 0x82] },
  { what: 'an unmasked frame', bytes: Buffer.from([0x82, 2, 0xc0, 0]), codes: [] },
  { what: 'a reserved opcode', bytes: maskedFrame(3, Buffer.from([0xc0, 0])), codes: [] },
  { what: 'a continuation of nothing', bytes: maskedFrame(0, Buffer.from([0xc0, 0])), codes: [] },
  { what: 'a reserved bit', bytes: Buffer.concat([Buffer.of(0xc2), maskedFrame(BINARY, Buffer.from([0xc0, 0])).subarray(1)]), codes: [] },
  { what: 'a message of 2^62 bytes', bytes: Buffer.from([0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]), codes: [] },
  { what: 'a ping of 126 bytes', bytes: maskedFrame(9, Buffer.alloc(126)), codes: [] },
  { what: 'a goodbye', bytes: maskedFrame(CLOSE, Buffer.from([0x03, 0xe8])), codes: [] },
];

/** One frame as a client sends it. RFC 6455 §5.2. */
export function maskedFrame(opcode: number, payload: Buffer, final = true): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const { length } = payload;
  const head = length < 126 ? Buffer.of(0, 0x80 | length) : Buffer.alloc(length < 65_536 ? 4 : 10);
  if (length >= 126 && length < 65_536) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(length, 2);
  } else if (length >= 65_536) {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  head[0] = (final ? 0x80 : 0) | opcode;
  return Buffer.concat([head, mask, payload.map((byte, at) => byte ^ mask[at & 3]!)]);
}

/** The request that opens a websocket for MQTT. */
export function upgradeRequest(host: string): Buffer {
  const key = randomBytes(16).toString('base64');
  const lines = [
    'GET /mqtt HTTP/1.1',
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Protocol: mqtt',
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

/** Takes the bytes that a server sends after the upgrade apart; the payloads of binary messages are MQTT's. */
export class FrameReader {
  #rest = Buffer.alloc(0);
  #upgraded = false;
  /** The payload of the server's close frame, once it came. */
  goodbye: Buffer | undefined;

  /** @throws when the server refused the upgrade, or sent what no server sends */
  push(chunk: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (!this.#upgraded && !this.#readHead()) return [];
    const payloads: Buffer[] = [];
    for (let payload = this.#readFrame(); payload; payload = this.#readFrame()) payloads.push(payload);
    return payloads;
  }

  #readHead(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end === -1) return false;
    const head = this.#rest.subarray(0, end).toString('latin1');
    if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`the upgrade was refused: ${head}`);
    this.#rest = this.#rest.subarray(end + 4);
    this.#upgraded = true;
    return true;
  }

  #readFrame(): Buffer | undefined {
    const rest = this.#rest;
    if (rest.length < 2) return undefined;
    const short = rest[1]! & 0x7f;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (rest.length < head) return undefined;
    const length = short < 126 ? short : short === 126 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    if (rest.length < head + length) return undefined;
    this.#rest = rest.subarray(head + length);
    const opcode = rest[0]! & 0x0f;
    const payload = rest.subarray(head, head + length);
    if (opcode === 1) throw new Error('the server sent a text message');
    if (opcode === CLOSE) this.goodbye = payload;
    return opcode >= CLOSE ? Buffer.alloc(0) : payload;
  }
}
