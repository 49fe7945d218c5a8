import { schemas as ansible } from '../ansible/schemas.ts';
import { SOURCES } from '../registry.ts';
import type { EventSchema } from '../schema.ts';
import { GAP_SCHEMA } from './gap-schema.ts';

/** Of every event that sources publish, the plugin for Ansible included. */
export const SCHEMAS: readonly EventSchema[] = [...SOURCES.flatMap(({ schemas }) => schemas), ...ansible, GAP_SCHEMA];

/** The kind in the name of a schema: `gerrit` of `gerrit.comment-added`. */
export function kindOf({ name }: Pick<EventSchema, 'name'>): string {
  return name.slice(0, name.indexOf('.'));
}

/** Name of a schema for documents: `$id` of the JSON Schema, `dataschema` of CloudEvents. */
export function schemaUri({ name }: Pick<EventSchema, 'name'>): string {
  return `urn:hydrant:schema:${name}`;
}
