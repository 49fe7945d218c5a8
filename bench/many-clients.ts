import { numberText } from './number-text.ts';
import { median, type Result, type Results } from './results.ts';
import { STALLED_SERIES } from './stalled-reader.ts';
import { WILDCARD_CASES, wildcardSeries } from './wildcards.ts';

/** What the server may take in all while one reader has stopped. */
const MEMORY_MB = 320;

/** The part of the report about many connections, many subscriptions and readers that stop; empty parts are left out. */
export function reportManyClients(results: Results): string {
  const parts = [stalledReader(results['stalled-reader']?.runs), wildcards(results.wildcards?.runs), idle(results['idle-5000']?.runs)];
  return parts.filter((part) => part !== undefined).join('\n\n');
}

function stalledReader(runs: Result['runs'] | undefined): string | undefined {
  if (!runs) return undefined;
  const cell = (series: string) => `${middle(runs, series, 'p50ms').toFixed(2)} / ${middle(runs, series, 'p99ms').toFixed(2)}`;
  const rows = STALLED_SERIES.filter(({ stalled }) => stalled === 1).map(({ series, title, qos }) => {
    const without = `qos${qos}`;
    const ratio = middle(runs, series, 'p99ms') / middle(runs, without, 'p99ms');
    const lost = Math.max(...runs[series]!.lost!);
    const memory = [without, series].map((each) => numberText(Math.max(...runs[each]!.peak_mb!)));
    return `| ${[title, cell(without), cell(series), `${ratio.toFixed(2)} ×`, lost, ...memory, MEMORY_MB].join(' | ')} |`;
  });
  return `## A reader that stops
5 000 events of 1 kB a second to ten readers, then the same with one more that subscribes and takes nothing from its socket; a new server
for each run. Wanted: the ten lose nothing, and their p99 stays within 2 ×.

| | p50 / p99, ms | with one that stopped | p99 ratio | lost by the ten | highest memory of all runs, MB | with one that stopped | bound |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
${rows.join('\n')}

A reader that stops can make the server hold \`limits.queuedBytes\` (1 MiB) that its socket does not take and, at QoS 1 and 2, as much again that
waits for room; what is in flight is in the journal and not in memory. The rest of the bound is what the flow itself takes while the disk is slow, and garbage.`;
}

function wildcards(runs: Result['runs'] | undefined): string | undefined {
  if (!runs) return undefined;
  const rows = WILDCARD_CASES.map((each) => {
    const [mosquitto, hydrant] = (['mosquitto', 'hydrant'] as const).map((name) =>
      middle(runs, wildcardSeries(name, each), 'microseconds'),
    );
    const cells = [each.subscriptions, each.matches, mosquitto!, hydrant!, hydrant! / each.matches].map(numberText);
    return `| ${cells.join(' | ')} |`;
  });
  return `## 100 000 subscriptions with wildcards
One publisher at QoS 1 and a hundred subscribers that share the subscriptions evenly: \`bench/+/t7\`, \`+/+/t7\`, and each with \`/#\`. The topics hardly repeat,
so no remembered match helps. Time of the server's main thread for one publish, from its socket to the sockets of all that it is for: it is
to grow with what matches, not with what is subscribed.

| subscriptions | that match | Mosquitto, µs | Hydrant, µs | Hydrant, µs per delivery |
| ---: | ---: | ---: | ---: | ---: |
${rows.join('\n')}`;
}

function idle(runs: Result['runs'] | undefined): string | undefined {
  if (!runs) return undefined;
  const row = (title: string, figure: string, wanted: string) => {
    const cells = ['mosquitto', 'hydrant'].map((series) => numberText(middle(runs, series, figure)));
    return `| ${[title, ...cells, wanted].join(' | ')} |`;
  };
  return `## 5 000 mostly idle connections
Plain TCP, each with a subscription of its own, a PINGREQ every 30 s, and 100 events a second for all of them together.

| | Mosquitto | Hydrant | wanted |
| --- | ---: | ---: | --- |
${row('resident memory at its highest, MB', 'peak_mb', '≤ 300')}
${row('until all are connected and subscribed, s', 'connect_s', '')}
${row('one core while they are held, %', 'cpuPercent', '')}`;
}

function middle(runs: Result['runs'], series: string, figure: string): number {
  return median(runs[series]![figure]!);
}
