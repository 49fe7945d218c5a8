import { cell } from '../src/cli/markdown.ts';
import { ERRORS } from '../src/core/errors.ts';

/** docs/reference/errors.md, from the table in src/core/errors.ts. */
export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([code, { retryable, fix }]) => `| \`${code}\` | ${retryable ? 'yes' : 'no'} | ${cell(fix)} |`);
  return `# Errors

Every error that Hydrant raises on purpose has one of these codes; the message names the value at fault. A script branches on the
code, never on the text. *Again* says whether the same call can succeed later without anything being changed.

| code | again | what to do |
| --- | --- | --- |
${rows.join('\n')}

Generated from \`src/core/errors.ts\` by \`npm run docs\`.
`;
}
