import { oneLine } from '../one-line.ts';
import type { EventSchema } from '../schema.ts';

const TIME = { type: 'string', format: 'date-time' } as const;

/** What every source publishes where its upstream cannot give again what was missed: `SourceGap`, and which source says so. */
export const GAP_SCHEMA: EventSchema = {
  name: 'source.gap',
  topic: '{base...}/$gap',
  title: 'Events are missing that the upstream cannot give again',
  schema: {
    type: 'object',
    required: ['source', 'reason', 'until'],
    properties: {
      source: { type: 'string', description: 'The source that says so, by its name.' },
      reason: {
        type: 'string',
        examples: ['disconnected', 'dropped-output', 'unreadable', 'history-lost', 'refused'],
        description: 'Why, in a word.',
      },
      from: { ...TIME, description: 'The last moment that is known to be complete. Without it nothing is known.' },
      until: { ...TIME, description: 'From here on the events are complete again.' },
      detail: { type: 'string', description: 'For people.' },
    },
  },
  examples: [
    {
      source: 'gerrit',
      reason: 'disconnected',
      from: '2026-11-21T10:00:00.000Z',
      until: '2026-11-21T10:00:07.250Z',
      detail: 'the server has no events log',
    },
  ],
  derive(data, topic) {
    const { source, reason, from, until, detail } = fieldsOf(data);
    const when = from === undefined ? `until ${until ?? 'now'}` : `from ${from} until ${until ?? 'now'}`;
    const why = [reason, detail].filter((part) => part !== undefined).join(': ');
    return {
      summary: oneLine(`Events of ${source ?? topic} are missing ${when}${why === '' ? '' : ` (${why})`}`),
      people: [],
      severity: 'error',
    };
  },
};

function fieldsOf(data: unknown): Record<string, string | undefined> {
  const entries = typeof data === 'object' && data !== null ? Object.entries(data) : [];
  return Object.fromEntries(entries.filter(([, value]) => typeof value === 'string'));
}
