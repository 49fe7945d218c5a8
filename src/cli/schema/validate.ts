import { errorText } from '../../core/errors.ts';
import { checkEvent } from '../../sources/catalogue/check-event.ts';
import { findSchema } from '../../sources/catalogue/find-schema.ts';
import type { EventSchema } from '../../sources/schema.ts';
import { decodeLine } from '../../wire/line.ts';
import type { InputLine } from './inputs.ts';

/** A line that does not match. */
export interface Mismatch {
  file: string;
  line: number;
  topic?: string;
  schema?: string;
  why: string;
}

export interface Tally {
  matching: number;
  mismatched: number;
  /** On topics that no schema is for. */
  unknown: number;
  /** Of those that do not match, the ones that are no events at all. */
  noEvents: number;
}

/** Yields what does not match; the tally says at the end how many did. */
export async function* validateLines(
  lines: AsyncIterable<InputLine>,
  /** Of bare payloads: their schema. Undefined: the lines are events, and their topics say it. */
  given: EventSchema | undefined,
  tally: Tally,
): AsyncGenerator<Mismatch> {
  for await (const { file, line, bytes } of lines) {
    let about: Pick<Mismatch, 'topic' | 'schema'> = {};
    let why: string | undefined;
    try {
      const { topic, payload, contentType } = given ? { payload: bytes } : decodeLine(bytes, 0, bytes.length);
      const schema = given ?? findSchema(topic!);
      if (!schema) {
        tally.unknown++;
        continue;
      }
      about = { ...(topic !== undefined && { topic }), schema: schema.name };
      why = checkEvent(schema.name, isText(schema, payload, contentType) ? Buffer.from(payload).toString() : undefined, payload);
    } catch (error) {
      why = `it is no event: ${errorText(error)}`;
      tally.noEvents++;
    }
    if (why === undefined) tally.matching++;
    else {
      tally.mismatched++;
      yield { file, line, ...about, why };
    }
  }
}

/** Whether it stands for itself: a text where the schema takes one. */
function isText({ schema }: EventSchema, payload: Uint8Array, contentType: string | undefined): boolean {
  if (![schema.type].flat().includes('string')) return false;
  return contentType?.startsWith('text/') ?? !/^\s*["{]/.test(Buffer.from(payload.subarray(0, 64)).toString());
}
