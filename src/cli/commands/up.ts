import { Option } from 'commander';
import { packageVersion } from '../../core/version.ts';
import { defineCommand } from '../command.ts';
import { addConfigOptions, type ConfigOptions } from './config.ts';

export const up = defineCommand<ConfigOptions & { demo?: boolean; preset?: string }>({
  name: 'up',
  summary: 'start the bus',
  notes: [
    'Runs until SIGTERM or SIGINT, then drains and exits 0; a second signal ends it at once. SIGHUP reads the configuration again. Without a terminal it logs JSON lines, one of which is {"event":"ready","data":…,"listeners":{…}}.',
  ],
  examples: [
    ['hydrant up --demo', 'with believable events to look at'],
    ['hydrant up --preset firehose', 'anybody reads, accounts of `hydrant user add` publish, each below its own name'],
    ['hydrant up -d /srv/hydrant -c /etc/hydrant.yaml', 'a data folder and a configuration of its own'],
    ['hydrant up --set listeners.mqtt.port=0 --set listeners.http.port=0', 'on any free ports, which the ready line names'],
  ],
  ownSignals: true,
  define: (command) =>
    void addConfigOptions(command)
      .addOption(new Option('--preset <name>', 'rules to start from; the same as --set preset=NAME').choices(['open', 'firehose']))
      .option('--demo', 'publish believable demo events'),
  async run({ options, io }) {
    const { runUp } = await import('../../app/up.ts');
    const { config, data, set = [], demo, preset } = options;
    const sets = preset === undefined ? set : [...set, `preset=${preset}`];
    const command = ['hydrant', ...process.argv.slice(2)].join(' ');
    return runUp({ inputs: { env: io.env, file: config, data, sets }, demo, stdout: io.stdout, command, version: packageVersion() });
  },
});
