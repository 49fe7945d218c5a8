import { HydrantError } from '../../core/errors.ts';
import { defineCommand } from '../command.ts';
import type { Finding } from '../doctor/check.ts';
import { EXIT } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { type Format, outputOption } from '../options.ts';
import { chosenFormat, printRows } from '../rows.ts';
import { addStoreOptions, type StoreOptions, storeFlags } from '../store-options.ts';
import { paint } from '../style.ts';
import { addConfigOptions, type ConfigOptions } from './config.ts';

const COLORS = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

const s3 = defineCommand<ConfigOptions & StoreOptions & { to?: string; output?: Format }>({
  name: 's3',
  summary: 'try all that the archive does in a bucket',
  notes: [
    'Tries the keys, each permission, the clock, the region, If-None-Match, ranges, uploads in parts and encryption on one small object, `hydrant-probe` below the prefix, and removes it. What fails comes with the statement that the policy lacks. It makes no bucket. Exit 1 when something fails.',
  ],
  examples: [
    ['hydrant doctor s3', 'the store of archive.to'],
    ['hydrant doctor s3 --to s3://events/site-1 --endpoint https://minio.example.org:9000', 'another one, before it is used'],
  ],
  define: (command) =>
    void addStoreOptions(addConfigOptions(command).option('--to <url>', 's3://bucket/prefix (default: archive.to)')).addOption(
      outputOption(),
    ),
  async run({ options, io }) {
    const [{ loadConfig }, { parseStoreUrl }, { examineS3 }] = await Promise.all([
      import('../../app/config.ts'),
      import('../../storage/open.ts'),
      import('../doctor/s3.ts'),
    ]);
    const { archive } = loadConfig({
      env: io.env,
      file: options.config,
      data: options.data,
      sets: options.set,
      flags: storeFlags(options),
    }).config;
    const url = options.to ?? archive.to;
    const place = url === undefined ? undefined : parseStoreUrl(url);
    if (place?.kind !== 's3') {
      const what = url === undefined ? 'archive.to is not set' : `${JSON.stringify(url)} is no bucket`;
      throw new HydrantError('HYD_USAGE', what, { fix: 'Give the bucket: --to s3://BUCKET/PREFIX.' });
    }
    return report(await examineS3(place, archive.s3), io, options.output);
  },
});

export const doctor = defineCommand<ConfigOptions & { output?: Format }>({
  name: 'doctor',
  summary: 'check this machine, the data folder and the server',
  notes: [
    'Looks at Node, the data folder, disk space and fsync speed, the clock, the ports, the running server, the journal and the archive. Every line is ok, warn or fail, with what to do. Exit 1 when something fails.',
  ],
  examples: [
    ['hydrant doctor', 'everything, with the default data folder'],
    ['hydrant doctor -o ndjson | jq -r \'select(.status != "ok")\'', 'only what needs a hand'],
  ],
  define: (command) => void addConfigOptions(command).addOption(outputOption()),
  async run({ options, io }) {
    const { examine } = await import('../doctor/examine.ts');
    return report(await examine(options, io), io, options.output);
  },
  commands: [s3],
});

/** Prints the findings; exit code 1 when one is a failure. */
async function report(findings: Finding[], io: Io, output: Format | undefined): Promise<number> {
  const columns = [
    { title: 'STATUS', text: (finding: Finding) => finding.status },
    { title: 'CHECK', text: (finding: Finding) => finding.check },
    { title: 'DETAIL', text: (finding: Finding) => finding.detail },
  ];
  const format = chosenFormat(io, output);
  await printRows(io, format, columns, findings);
  if (format === 'table') {
    for (const { status, check, fix } of findings)
      if (fix) io.stdout.write(`${paint(io.stdout, io.env, COLORS[status], `${check}:`)} ${fix}\n`);
  }
  return findings.some(({ status }) => status === 'fail') ? EXIT.failed : EXIT.ok;
}
