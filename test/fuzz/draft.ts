export interface Property {
  id: number;
  /** The value as it is sent. */
  bytes: Buffer;
}

/** One field of a packet that is not bytes yet. `lie` is added to the length that stands before it. */
export type Field =
  | { kind: 'plain'; name: string; bytes: Buffer }
  | { kind: 'text' | 'binary'; name: string; bytes: Buffer; lie?: number }
  | { kind: 'properties'; name: string; list: Property[]; lie?: number };

/** A packet taken apart, so that it can be broken in one place and be whole in all others. */
export interface Draft {
  type: number;
  flags: number;
  fields: Field[];
  /** Added to the remaining length. */
  lie?: number;
}

export function encodeDraft({ type, flags, fields, lie = 0 }: Draft): Buffer {
  const body = Buffer.concat(fields.map(encodeField));
  return Buffer.concat([Buffer.of((type << 4) | flags), varint(Math.max(0, body.length + lie)), body]);
}

export function encodeField(field: Field): Buffer {
  switch (field.kind) {
    case 'plain':
      return field.bytes;
    case 'properties': {
      const list = Buffer.concat(field.list.flatMap(({ id, bytes }) => [varint(id), bytes]));
      return Buffer.concat([varint(Math.max(0, list.length + (field.lie ?? 0))), list]);
    }
    default:
      return Buffer.concat([int16(Math.max(0, field.bytes.length + (field.lie ?? 0)) & 0xffff), field.bytes]);
  }
}

export function plain(name: string, bytes: Buffer | number[]): Field {
  return { kind: 'plain', name, bytes: Buffer.from(bytes as Buffer) };
}

export function text(name: string, value: string | Buffer): Field {
  return { kind: 'text', name, bytes: Buffer.from(value as string) };
}

export function binary(name: string, bytes: Buffer): Field {
  return { kind: 'binary', name, bytes };
}

/** The properties of a packet: a field on MQTT 5, none before. */
export function properties(version: number, list: Property[]): Field[] {
  return version === 5 ? [{ kind: 'properties', name: 'properties', list }] : [];
}

export function int16(value: number): Buffer {
  return Buffer.of((value >> 8) & 0xff, value & 0xff);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  do {
    bytes.push((left % 128) | (left >= 128 ? 0x80 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Buffer.from(bytes);
}

/** Length, then bytes. */
export function counted(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([int16(bytes.length), bytes]);
}
