import { crc32 } from 'node:zlib';

/** Fields of a packet; none is needed. */
export interface SubunitFields {
  testId?: string;
  status?: number;
  tags?: string[];
  seconds?: number;
  nanoseconds?: number;
  runnable?: boolean;
  eof?: boolean;
  mimeType?: string;
  fileName?: string;
  fileBytes?: Buffer;
  routeCode?: string;
}

export const STATUS = { exists: 1, inprogress: 2, success: 3, uxsuccess: 4, skip: 5, fail: 6, xfail: 7 } as const;

/** A packet of subunit v2, as its document says. */
export function subunitPacket(fields: SubunitFields): Buffer {
  const { testId, status = 0, tags, seconds, nanoseconds = 0, runnable, eof, mimeType, fileName, fileBytes, routeCode } = fields;
  let flags = 0x2000 | status;
  const parts: Buffer[] = [];
  const add = (flag: number, ...more: Buffer[]): void => {
    flags |= flag;
    parts.push(...more);
  };
  if (seconds !== undefined) add(0x0200, word(seconds), number(nanoseconds));
  if (testId !== undefined) add(0x0800, text(testId));
  if (tags !== undefined) add(0x0080, number(tags.length), ...tags.map(text));
  if (runnable) add(0x0100);
  if (mimeType !== undefined) add(0x0020, text(mimeType));
  if (fileName !== undefined) add(0x0040, text(fileName), number(fileBytes?.length ?? 0), fileBytes ?? Buffer.alloc(0));
  if (eof) add(0x0010);
  if (routeCode !== undefined) add(0x0400, text(routeCode));
  const body = Buffer.concat(parts);
  const rest = 3 + body.length + 4;
  const length = rest + (rest <= 62 ? 1 : rest <= 16_381 ? 2 : 3);
  const content = Buffer.concat([Buffer.of(0xb3, flags >> 8, flags & 0xff), number(length), body]);
  return Buffer.concat([content, word(crc32(content))]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([number(bytes.length), bytes]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function number(value: number): Buffer {
  if (value < 2 ** 6) return Buffer.of(value);
  if (value < 2 ** 14) return Buffer.of(0x40 | (value >> 8), value & 0xff);
  if (value < 2 ** 22) return Buffer.of(0x80 | (value >> 16), (value >> 8) & 0xff, value & 0xff);
  return word((0xc0000000 | value) >>> 0);
}
