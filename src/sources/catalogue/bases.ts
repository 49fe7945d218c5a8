import type { EventSchema } from '../schema.ts';
import { kindOf } from './schemas.ts';

const BASES: Record<string, string> = {
  gerrit: 'gerrit',
  launchpad: 'launchpad',
  subunit: 'gearman-subunit',
  logs: 'gearman-logstash',
  ansible: 'ansible',
};

/** What `{base}` of a topic is unless somebody configured another: a webhook's is the name of its preset. Undefined: it has none of its own. */
export function baseOf(schema: Pick<EventSchema, 'name'>): string | undefined {
  const kind = kindOf(schema);
  if (kind !== 'webhook') return BASES[kind];
  const preset = schema.name.slice('webhook.'.length).split('-')[0]!;
  return preset === 'standard' ? 'standard-webhooks' : preset;
}
