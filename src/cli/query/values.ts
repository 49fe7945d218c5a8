import type { DuckDBArrayType, DuckDBListType, DuckDBMapType, DuckDBStructType, DuckDBType, DuckDBValue } from '@duckdb/node-api';
import type { DuckDb } from './duckdb.ts';

/** What JSON has. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Gives a value of a column as JSON. */
export type ToJson = (value: DuckDBValue | undefined, type: DuckDBType) => Json;

/**
 * Whole numbers that a double cannot hold become text, bytes base64, moments RFC 3339; what JSON has no form for becomes the text that
 * DuckDB shows.
 */
export function createToJson(duck: DuckDb): ToJson {
  const toJson: ToJson = (value, type) => {
    if (value === null || value === undefined) return null;
    switch (typeof value) {
      case 'boolean':
        return value;
      case 'bigint':
        return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'string':
        return type.alias === 'JSON' ? parsed(value) : value;
    }
    if (value instanceof duck.DuckDBBlobValue) return base64(value.bytes);
    if (value instanceof duck.DuckDBTimestampTZValue) return rfc3339(value.micros) ?? String(value);
    if (value instanceof duck.DuckDBDecimalValue) return value.width <= EXACT_DIGITS ? value.toDouble() : String(value);
    if (value instanceof duck.DuckDBListValue || value instanceof duck.DuckDBArrayValue) {
      return value.items.map((item) => toJson(item, (type as DuckDBListType | DuckDBArrayType).valueType));
    }
    if (value instanceof duck.DuckDBStructValue) {
      const { entryNames, entryTypes } = type as DuckDBStructType;
      return Object.fromEntries(entryNames.map((name, i) => [name, toJson(value.entries[name], entryTypes[i]!)]));
    }
    if (value instanceof duck.DuckDBMapValue) {
      const { keyType, valueType } = type as DuckDBMapType;
      return Object.fromEntries(value.entries.map((entry) => [textOf(toJson(entry.key, keyType)), toJson(entry.value, valueType)]));
    }
    return String(value);
  };
  return toJson;
}

/** Decimal digits that every double keeps. */
const EXACT_DIGITS = 15;

/** A value as it stands in a cell. */
export function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** To the microsecond, UTC; undefined for what has no such form: infinity, and years before 1 or after 9999. */
function rfc3339(micros: bigint): string | undefined {
  const ms = micros / 1000n - (micros % 1000n < 0n ? 1n : 0n);
  if (ms < MIN_MS || ms > MAX_MS) return undefined;
  const below = String(micros - ms * 1000n).padStart(3, '0');
  return `${new Date(Number(ms)).toISOString().slice(0, -1)}${below}Z`;
}

const MIN_MS = BigInt(Date.parse('0001-01-01T00:00:00Z'));
const MAX_MS = BigInt(Date.parse('9999-12-31T23:59:59.999Z'));
