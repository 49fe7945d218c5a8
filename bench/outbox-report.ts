import { numberText } from './number-text.ts';
import { SMALL } from './outbox.ts';
import { median, type Result } from './results.ts';

/** The part of the report about `hydrant/client`. */
export function reportOutbox(result: Result | undefined): string | undefined {
  if (!result) return undefined;
  const { runs, machine } = result;
  const all = (series: string, figure: string): number[] => runs[series]![figure]!;
  const figure = (series: string, name: string): number => median(all(series, name));
  const text = (series: string, name: string): string => numberText(figure(series, name));
  const share = median(all('backlog', 'drainedPerSecond').map((rate, run) => rate / all('acked', 'perSecond')[run]!));
  const ratio = figure('acked', 'perSecond') / figure('mqttjs', 'perSecond');
  const peak = Math.max(...['fill', 'stored', 'acked', 'backlog'].flatMap((series) => all(series, 'peakMb')));
  const rows = [
    ['`stored`, events a second', text('stored', 'perSecond'), '≥ 80 000'],
    ['the same by SQLite alone in one thread, rows and transactions of the same size', text('sqlite', 'perSecond'), ''],
    ['`acked` by `hydrant up`, events a second', text('acked', 'perSecond'), '≥ 60 000'],
    ['from `publish()` to `acked`, p50 / p99, ms', `${text('acked', 'p50Ms')} / ${text('acked', 'p99Ms')}`, ''],
    ['MQTT.js, which has nothing on disk: acknowledged a second', text('mqttjs', 'perSecond'), ''],
    ['from its `publish()` to the acknowledgement, p50 / p99, ms', `${text('mqttjs', 'p50Ms')} / ${text('mqttjs', 'p99Ms')}`, ''],
    ['`acked` to MQTT.js', `${ratio.toFixed(2)} ×`, ''],
    ['a backlog of 1 000 000: open, ms', text('backlog', 'openMs'), '≤ 200'],
    ['until the first event is stored on top of it, ms', text('backlog', 'readyMs'), ''],
    ['it is sent, events a second', text('backlog', 'drainedPerSecond'), ''],
    ['to `acked` of live events', `${share.toFixed(2)} ×`, '≥ 0.8 ×'],
    [
      'meanwhile 200 events a second on another channel, `publish()` to `acked`, p50 / p99, ms',
      `${text('backlog', 'liveP50Ms')} / ${text('backlog', 'liveP99Ms')}`,
      'p99 ≤ 50',
    ],
    ['highest memory of a client in any of these, MB', numberText(peak), '≤ 120'],
    [`the backlog with \`node ${SMALL.join(' ')}\`: it is sent, events a second`, text('small', 'drainedPerSecond'), ''],
    ['its highest memory, MB', text('small', 'peakMb'), ''],
    ['highest memory of MQTT.js, MB', numberText(Math.max(...all('mqttjs', 'peakMb'))), ''],
  ];
  return `## The reliable client
\`hydrant/client\` as it is installed, under plain Node, each line in a process of its own on the same cores as the server: 100 B at QoS 1, 1 000 on their way at
any time as the server allows, 4 000 published and not settled (MQTT.js: 1 000, it sends all that it is given), the outbox on a disk that does
${numberText(machine.syncsPerSecond)} fdatasync a second. Latencies at full load are mostly what is outstanding divided by the rate.

| figure | measured | wanted |
| --- | ---: | --- |
${rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}`;
}
