import type { SourceKind } from '../source.ts';
import { type GerritOptions, OPTIONS } from './options.ts';
import { SCHEMAS } from './schemas.ts';

/** Gerrit's event stream over SSH: each event on `<base>/<project>/<type>`, byte for byte. */
export const gerrit: SourceKind<GerritOptions> = {
  name: 'gerrit',
  summary: 'The events of a Gerrit server, from its stream over SSH.',
  options: OPTIONS,
  schemas: SCHEMAS,
  async open(options, context) {
    const { GerritSource } = await import('./gerrit-source.ts');
    return GerritSource.open(options, context);
  },
};
