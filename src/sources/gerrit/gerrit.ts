import type { SourceKind } from '../source.ts';
import { type GerritOptions, OPTIONS } from './options.ts';
import { SCHEMAS } from './schemas.ts';

/** Gerrit's event stream over SSH: each event on `<base>/<project>/<type>`, byte for byte. */
export const gerrit: SourceKind<GerritOptions> = {
  name: 'gerrit',
  summary: 'the events of a Gerrit server, from its stream over SSH',
  options: OPTIONS,
  schemas: SCHEMAS,
  examples: [
    ['--host review.example.org --user hydrant --key /etc/hydrant/gerrit_key', 'everything the account may see'],
    [
      '--host review.example.org --user hydrant --key key --events-log-url https://review.example.org --events-log-password-file http_password',
      'and what was missed, from the events-log plugin',
    ],
  ],
  async open(options, context) {
    const { GerritSource } = await import('./gerrit-source.ts');
    return GerritSource.open(options, context);
  },
};
