import { INTAKE_CASES } from './intake.ts';
import { numberText } from './number-text.ts';
import { median, type Result } from './results.ts';

/** Events a second that the program archived which Hydrant's archiver grew from, on a machine like this one. */
const SEED_PER_SECOND = 4900;

/** The part of the report about `hydrant archive` on a broker. */
export function reportIntake(result: Result | undefined): string | undefined {
  if (!result) return undefined;
  const { runs, machine } = result;
  const rows = INTAKE_CASES.map(({ series, title }) => {
    const [none, archive, upload] = ['null', 'archive', 'upload'].map((name) => median(runs[`${name}-${series}`]!.perSecond!));
    const peak = Math.max(...['archive', 'upload'].flatMap((name) => runs[`${name}-${series}`]!.peak_mb!));
    const ratio = (of: number, to: number): string => `${(of / to).toFixed(2)} ×`;
    const cells = [
      numberText(none!),
      numberText(archive!),
      ratio(archive!, none!),
      numberText(upload!),
      ratio(upload!, archive!),
      numberText(peak),
    ];
    return `| ${[title, ...cells].join(' | ')} |`;
  });
  const { perSecond, peak_mb } = runs.ceiling!;
  const { gzipMbPerSecond, zstdMbPerSecond } = runs.machine!;
  return `## The archiver on a broker
QoS 1, 100 B, out of Debian's Mosquitto: into a subscriber that only acknowledges (\`bench/mbench.c\`), and into \`hydrant archive\`, every event on disk
before its acknowledgement. Publisher, broker and reader share the cores. *Uploading* is the same with segments of 16 MiB, each sealed and put into a
store of another folder while events come in. Wanted: ≥ 0.8 × of what the subscriber gets, ≤ 250 MB, and an upload that slows nothing. The program
that this grew from archived ${numberText(SEED_PER_SECOND)} events a second.

| from | subscriber, events/s | archive, events/s | ratio | archive uploading, events/s | to not uploading | highest memory, MB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
${rows.join('\n')}

Alone, with a peer that only sends: ${numberText(median(perSecond!))} events/s, ${numberText(Math.max(...peak_mb!))} MB. What the machine allows: ${numberText(machine.syncsPerSecond)} fdatasync
a second one after the other; one core packs ${numberText(median(gzipMbPerSecond!))} MB of archive lines a second with gzip, ${numberText(median(zstdMbPerSecond!))} MB with zstd.`;
}
