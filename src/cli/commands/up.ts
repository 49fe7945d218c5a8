import { defineCommand } from '../command.ts';
import { packageVersion } from '../version.ts';
import { addConfigOptions, type ConfigOptions } from './config.ts';

export const up = defineCommand<ConfigOptions & { demo?: boolean }>({
  name: 'up',
  summary: 'start the bus',
  notes: [
    'Runs until SIGTERM or SIGINT, then drains and exits 0; a second signal ends it at once. SIGHUP reads the configuration again. Without a terminal it logs JSON lines, one of which is {"event":"ready","data":…,"listeners":{…}}.',
  ],
  examples: [
    ['hydrant up --demo', 'with believable events to look at'],
    ['hydrant up -d /srv/hydrant -c /etc/hydrant.yaml', 'a data folder and a configuration of its own'],
    ['hydrant up --set listeners.mqtt.port=0 --set listeners.http.port=0', 'on any free ports, which the ready line names'],
  ],
  ownSignals: true,
  define: (command) => void addConfigOptions(command).option('--demo', 'publish believable demo events'),
  async run({ options, io }) {
    const { runUp } = await import('../../app/up.ts');
    const { config, data, set, demo } = options;
    const command = ['hydrant', ...process.argv.slice(2)].join(' ');
    return runUp({ inputs: { env: io.env, file: config, data, sets: set }, demo, stdout: io.stdout, command, version: packageVersion() });
  },
});
