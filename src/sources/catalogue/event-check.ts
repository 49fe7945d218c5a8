import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { parseJson } from '../../core/objects.ts';
import type { EventSchema } from '../schema.ts';

/**
 * Why an event does not match its schema, in one line, or undefined when it does. Whatever the event is, it does not throw.
 * @param data the payload as parsed; without it `payload` is parsed
 */
export type EventCheck = (schema: string, data: unknown, payload: Uint8Array | string) => string | undefined;

const MOST_SHOWN = 60;
const MOST_PATH = 120;

/** Checks events against these schemas, each compiled when it is first asked for. A schema that is not among them matches everything. */
export function createEventCheck(schemas: readonly EventSchema[]): EventCheck {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, verbose: true });
  formats.default(ajv);
  const known = new Map(schemas.map((schema) => [schema.name, schema]));
  const compiled = new Map<string, ValidateFunction>();
  return (name, data, payload) => {
    const schema = known.get(name);
    if (!schema) return undefined;
    const value = data === undefined ? parseJson(payload) : data;
    if (value === undefined) return 'it is no JSON';
    const validate = compiled.get(name) ?? ajv.compile(schema.schema);
    compiled.set(name, validate);
    return validate(value) ? undefined : mismatch(validate.errors!);
  };
}

/** Of forms of which none fits, the last error is about all of them. */
function mismatch(errors: readonly ErrorObject[]): string {
  const error = errors.at(-1)!;
  const path = error.instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~');
  return `${path === '' ? 'it' : printable(path, MOST_PATH)} ${expectation(error, errors)}`;
}

function expectation({ keyword, params, message, instancePath, data }: ErrorObject, errors: readonly ErrorObject[]): string {
  if (keyword === 'required') return `lacks ${JSON.stringify(params.missingProperty)}`;
  if (keyword === 'const') return `should be ${JSON.stringify(params.allowedValue)} and is ${shown(data)}`;
  if (keyword === 'enum')
    return `should be one of ${params.allowedValues.map((one: unknown) => JSON.stringify(one)).join(', ')} and is ${shown(data)}`;
  if (keyword === 'type') return `should be ${[params.type].flat().join(' or ')} and is ${shown(data)}`;
  const types = errors.filter((one) => one.keyword === 'type' && one.instancePath === instancePath).flatMap(({ params: { type } }) => type);
  if (/Of$/.test(keyword) && types.length > 0) return `should be ${[...new Set(types)].join(' or ')} and is ${shown(data)}`;
  return `${(message ?? keyword).replace(/^must/, 'should')}, and is ${shown(data)}`;
}

/** A value in few characters: of what holds others, only what it is. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? printable(JSON.stringify(value.slice(0, MOST_SHOWN)), MOST_SHOWN) : String(value);
}

function printable(text: string, most: number): string {
  const line = text.replace(/[\p{Cc}\u2028\u2029]/gu, '?').toWellFormed();
  return line.length <= most ? line : `${line.slice(0, most - 1).toWellFormed()}…`;
}
