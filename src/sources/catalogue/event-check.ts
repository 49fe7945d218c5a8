import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { EventSchema } from '../schema.ts';

/**
 * Why an event does not match its schema, or undefined when it does.
 * @param data the payload as parsed; without it `payload` is parsed
 */
export type EventCheck = (schema: string, data: unknown, payload: Uint8Array | string) => string | undefined;

/** Checks events against these schemas, each compiled when it is first asked for. A schema that is not among them matches everything. */
export function createEventCheck(schemas: readonly EventSchema[]): EventCheck {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  const known = new Map(schemas.map((schema) => [schema.name, schema]));
  const compiled = new Map<string, ValidateFunction>();
  return (name, data, payload) => {
    const schema = known.get(name);
    if (!schema) return undefined;
    const validate = compiled.get(name) ?? ajv.compile(schema.schema);
    compiled.set(name, validate);
    const value = data === undefined ? parse(payload) : data;
    return value === undefined ? 'it is no JSON' : validate(value) ? undefined : text(validate.errors![0]!);
  };
}

function parse(payload: Uint8Array | string): unknown {
  try {
    return JSON.parse(typeof payload === 'string' ? payload : Buffer.from(payload).toString());
  } catch {
    return undefined;
  }
}

function text({ instancePath, message }: ErrorObject): string {
  return `${instancePath.slice(1).replaceAll('/', '.') || 'it'} ${message}`;
}
