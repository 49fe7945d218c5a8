import { reportIntake } from './intake-report.ts';
import { reportManyClients } from './many-clients.ts';
import { numberText } from './number-text.ts';
import { reportOutbox } from './outbox-report.ts';
import { median, type Result, readResults } from './results.ts';
import { reportSources } from './sources-report.ts';
import { SCENARIOS } from './throughput.ts';

/** docs/benchmarks.md, all of it, from the stored results. */
export function writeReport(): string {
  const results = readResults();
  const all = Object.values(results);
  if (all.length === 0) throw new Error('there are no results yet');
  return `# Benchmarks

Written by \`npm run bench\`; every figure is the median of the runs. ${describe(all)}

## Against Mosquitto
Debian's Mosquitto 2.0 with \`persistence false\` and no limit in flight, and Hydrant with its default configuration, measured in turn on
the same machine by the same generator (\`bench/mbench.c\`: MQTT 3.1.1 on raw sockets, one thread, on the same cores). While one server is
measured, the others are stopped. 100 B payloads and a window of 500 unless it says otherwise; a message leaves the window once it is
acknowledged *and* delivered, so at QoS 1 and 2 every figure of Hydrant includes the fsync before the acknowledgement and before the fan-out.
*Unjournalled* is Hydrant with \`journal.exclude: ["bench/#"]\`, the like-for-like comparison with a broker that keeps nothing.

| deliveries a second | Mosquitto | Hydrant, unjournalled | Hydrant | ratio, unjournalled | ratio | wanted |
| --- | ---: | ---: | ---: | ---: | ---: | --- |
${rows(results, throughputRow)}

| latency p50 / p99, ms | Mosquitto | Hydrant, unjournalled | Hydrant |
| --- | ---: | ---: | ---: |
${rows(results, latencyRow)}

Latency is measured under full load with the window always full, so it is mostly the window divided by the rate. With 1 000 publishers each of the 500 messages of a
window comes and is answered on a socket of its own: a read and a write for every event, which is most of what it costs.

${[reportManyClients(results), reportIntake(results.intake), reportOutbox(results.outbox), reportSources(results.sources)].filter(Boolean).join('\n\n')}

## On its own
| figure | measured | wanted |
| --- | ---: | --- |
${ownRows(results)}
`;
}

function describe(all: Result[]): string {
  const latest = all.toSorted((a, b) => (a.at < b.at ? -1 : 1)).at(-1)!;
  const { cores, cpu, memoryGb, kernel, node, syncsPerSecond } = latest.machine;
  return `Machine: ${cores} cores (${cpu}), ${memoryGb} GB, ${kernel}, Node ${node.slice(1)}, a disk that does ${numberText(syncsPerSecond)} appends of 4 KiB with
fdatasync a second. Run on ${latest.at.slice(0, 10)}.`;
}

function rows(results: Record<string, Result>, row: (scenario: (typeof SCENARIOS)[number], runs: Result['runs']) => string): string {
  return SCENARIOS.filter(({ name }) => results[name])
    .map((scenario) => row(scenario, results[scenario.name]!.runs))
    .join('\n');
}

function throughputRow({ title, wanted }: (typeof SCENARIOS)[number], runs: Result['runs']): string {
  const rate = (series: string) => (runs[series] ? median(runs[series].dlv_per_s!) : undefined);
  const base = rate('mosquitto')!;
  const ratio = (value: number | undefined) => (value === undefined ? '' : `${(value / base).toFixed(2)} ×`);
  const want = [wanted?.unjournalled && `≥ ${wanted.unjournalled} × unjournalled`, wanted?.journalled && `≥ ${wanted.journalled} ×`];
  const cells = [base, rate('unjournalled'), rate('hydrant')].map((value) => (value === undefined ? '' : numberText(value)));
  return `| ${[title, ...cells, ratio(rate('unjournalled')), ratio(rate('hydrant')), want.filter(Boolean).join(', ') || 'recorded'].join(' | ')} |`;
}

function latencyRow({ title }: (typeof SCENARIOS)[number], runs: Result['runs']): string {
  const cell = (series: string) => {
    const figures = runs[series];
    return figures ? `${median(figures.p50ms!).toFixed(2)} / ${median(figures.p99ms!).toFixed(2)}` : '';
  };
  return `| ${[title, cell('mosquitto'), cell('unjournalled'), cell('hydrant')].join(' | ')} |`;
}

/** Benchmark, figure, what it says, unit, what is wanted. */
const OWN: [name: string, figure: string, title: string, unit: string, wanted: string][] = [
  ['journal', 'appendsPerSecond', 'durable appends of 100 B events a second, one process, journal alone', '', '≥ 150 000'],
  ['startup', 'readyMs', 'start to ready, empty data folder', 'ms', '≤ 1 000 ms'],
  ['startup', 'rssMb', 'resident memory, idle for 5 s', 'MB', '≤ 110 MB'],
  ['big-journal', 'readyMs', 'start to ready with a journal of 10 GB', 'ms', '≤ 2 000 ms'],
  ['big-journal', 'rssMb', 'resident memory 5 s after that start', 'MB', ''],
  [
    'offline',
    'catchUpSeconds',
    '1 000 offline sessions back together after 1 000 000 other events on 100 000 topics: all have their own',
    's',
    '≤ 10 s',
  ],
  ['offline', 'indexMb', 'segment index in memory at that moment', 'MB', '≤ 100 MB'],
  ['offline', 'rssBeforeMb', 'resident memory with the 1 000 sessions offline', 'MB', ''],
  ['offline', 'rssAfterMb', 'resident memory when all are back', 'MB', ''],
  ['find', 'all', 'find: events a second and core, all of 1 000 000 in ndjson.zst printed as they are', '', '≥ 400 000'],
  ['find', 'half', 'the same with a filter that half of 50 000 topics match', '', '≥ 400 000'],
  ['find', 'where', 'the same with an expression over each JSON payload', '', ''],
];

function ownRows(results: Record<string, Result>): string {
  return OWN.filter(([name]) => results[name])
    .map(([name, figure, title, unit, wanted]) => {
      const value = median(results[name]!.runs.hydrant![figure]!);
      return `| ${title} | ${numberText(value)} ${unit} | ${wanted} |`.replaceAll('  ', ' ');
    })
    .join('\n');
}
