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
  const share = (form: string): string => {
    const rates = all(`acked${form}`, 'perSecond');
    return `${median(all(`backlog${form}`, 'drainedPerSecond').map((rate, run) => rate / rates[run]!)).toFixed(2)} ×`;
  };
  const peak = (names: string[]): string => numberText(Math.max(...names.flatMap((series) => all(series, 'peakMb'))));
  const ratio = figure('acked', 'perSecond') / figure('mqttjs', 'perSecond');
  /** A figure of both forms: plain, and with the flags. */
  const both = (write: (form: string) => string): [string, string] => [write(''), write('-small')];
  const rows = [
    ['`stored`, events a second', ...both((form) => text(`stored${form}`, 'perSecond')), '≥ 80 000'],
    ['the same by SQLite alone in one thread, rows and transactions of the same size', text('sqlite', 'perSecond'), '', ''],
    ['`acked` by `hydrant up`, events a second', ...both((form) => text(`acked${form}`, 'perSecond')), '≥ 60 000'],
    [
      'from `publish()` to `acked`, p50 / p99, ms',
      ...both((form) => `${text(`acked${form}`, 'p50Ms')} / ${text(`acked${form}`, 'p99Ms')}`),
      '',
    ],
    ['MQTT.js, which has nothing on disk: acknowledged a second', text('mqttjs', 'perSecond'), '', ''],
    ['from its `publish()` to the acknowledgement, p50 / p99, ms', `${text('mqttjs', 'p50Ms')} / ${text('mqttjs', 'p99Ms')}`, '', ''],
    ['`acked` to MQTT.js', `${ratio.toFixed(2)} ×`, '', ''],
    ['a backlog of 1 000 000: open, ms', ...both((form) => text(`backlog${form}`, 'openMs')), '≤ 200'],
    ['until the first event is stored on top of it, ms', ...both((form) => text(`backlog${form}`, 'readyMs')), ''],
    ['it is sent, events a second', ...both((form) => text(`backlog${form}`, 'drainedPerSecond')), ''],
    ['to `acked` of live events', ...both(share), '≥ 0.8 ×'],
    [
      'meanwhile 200 events a second on another channel, `publish()` to `acked`, p50 / p99, ms',
      ...both((form) => `${text(`backlog${form}`, 'liveP50Ms')} / ${text(`backlog${form}`, 'liveP99Ms')}`),
      'p99 ≤ 50',
    ],
    [
      'highest memory of a client in any of these, MB',
      ...both((form) => peak(['stored', 'acked', 'backlog'].map((series) => series + form))),
      '≤ 120',
    ],
    ['highest memory of MQTT.js, MB', peak(['mqttjs']), '', ''],
  ];
  return `## The reliable client
\`hydrant/client\` as it is installed, each figure in a process of its own on the same cores as the server, under plain Node and under
\`node ${SMALL.join(' ')}\`: 100 B at QoS 1, 1 000 on their way at any time as the server allows, 4 000 published and not settled (MQTT.js:
1 000, it sends all that it is given), the outbox on a disk that does ${numberText(machine.syncsPerSecond)} fdatasync a second. Latencies at full load are mostly what is outstanding
divided by the rate. Memory is the highest resident size of the process, of which Node itself takes 44 MB, a second thread 18. What plain Node has above that is garbage:
it lets the nursery grow to three times 16 MB, and the old heap to four times what lives in it, before it collects. Only who starts Node decides that; a library does not.

| figure | plain | with the flags | wanted |
| --- | ---: | ---: | --- |
${rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}`;
}
