import { defineCommand } from '../command.ts';
import type { Finding } from '../doctor/check.ts';
import { EXIT } from '../exit-codes.ts';
import { type Format, outputOption } from '../options.ts';
import { chosenFormat, printRows } from '../rows.ts';
import { paint } from '../style.ts';
import { addConfigOptions, type ConfigOptions } from './config.ts';

const COLORS = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

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
    const findings = await examine(options, io);
    const columns = [
      { title: 'STATUS', text: (finding: Finding) => finding.status },
      { title: 'CHECK', text: (finding: Finding) => finding.check },
      { title: 'DETAIL', text: (finding: Finding) => finding.detail },
    ];
    const format = chosenFormat(io, options.output);
    await printRows(io, format, columns, findings);
    if (format === 'table') {
      for (const { status, check, fix } of findings)
        if (fix) io.stdout.write(`${paint(io.stdout, io.env, COLORS[status], `${check}:`)} ${fix}\n`);
    }
    return findings.some(({ status }) => status === 'fail') ? EXIT.failed : EXIT.ok;
  },
});
