import { stringify } from 'yaml';
import type { ImportNote } from './conf-line.ts';

/** A configuration file, with a comment in front: these lines, and what was not taken over. */
export function importedYaml(config: object, remarks: readonly string[], notes: readonly ImportNote[]): string {
  const lines = [...remarks];
  if (notes.length > 0) lines.push('', 'Not taken over:');
  for (const { at, text, why } of notes) lines.push(`  ${at.file}:${at.line}: ${text}: ${why}`);
  const comment = lines.map((line) => `#${line === '' ? '' : ` ${line.replace(/\p{Cc}/gu, ' ')}`}\n`).join('');
  return `${comment}\n${stringify(config, { flowCollectionPadding: false, lineWidth: 0 })}`;
}
