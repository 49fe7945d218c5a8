import { numberText } from './number-text.ts';
import { median, type Result } from './results.ts';

/** Series, figure, what it says, what is wanted. */
const ROWS: [series: string, figure: string, title: string, wanted: string][] = [
  ['gerrit', 'perSecond', '`source gerrit`: events a second, from OpenSSH until `hydrant up` has them on disk', '≥ 20 000'],
  ['gerrit', 'mbPerSecond', 'the same in MB a second', ''],
  ['gerrit', 'sourceCpuUs', 'processor time of the source for an event, all of its threads, µs', ''],
  ['gerrit', 'serverCpuUs', 'of `hydrant up`, µs', ''],
  ['gerrit', 'peakMb', 'highest memory of the source, MB', ''],
  ['subunit', 'parsedPerSecond', '`source subunit`: packets parsed in a second of processor time', '≥ 200 000'],
  ['subunit', 'testsPerSecond', 'the same, and put together to tests', ''],
];

/** The part of the report about sources. */
export function reportSources(result: Result | undefined): string | undefined {
  if (!result) return undefined;
  const { runs } = result;
  const rows = ROWS.filter(([series]) => runs[series]).map(([series, figure, title, wanted]) => {
    return `| ${title} | ${numberText(median(runs[series]![figure]!))} | ${wanted} |`;
  });
  return `## Sources
Each as a user runs it, with the server and the upstream on the same cores. Gerrit: Debian's sshd writes comments of 1.4 kB as fast as they are taken; each is
decrypted, parsed, given its id, checked against its schema, stored in the outbox, published at QoS 1 and acknowledged after the server's fsync. What limits it is
the processor time below: where the cores are shared, that of all three.

| figure | measured | wanted |
| --- | ---: | --- |
${rows.join('\n')}`;
}
