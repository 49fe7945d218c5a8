import { Option } from 'commander';
import type { Load } from '../bench/measure.ts';
import { defineCommand } from '../command.ts';
import { addConnectionOptions, type ConnectionOptions, parseQos, resolveConnection } from '../connection-options.ts';
import { write } from '../io.ts';
import { sizeBytes, wholeNumber } from '../options.ts';

interface BenchOptions extends ConnectionOptions, Load {}

export const bench = defineCommand<BenchOptions>({
  name: 'bench',
  summary: 'measure a broker with a short load',
  notes: [
    'Publishes to hydrant-bench/… and subscribes to it. Without --url, -h or -p it starts a Hydrant of its own on a temporary data folder and removes both. The clock stops when every publish is acknowledged and every event has been delivered to every subscriber. The generator is one process: it measures what one client program sees, not the limit of the broker.',
  ],
  examples: [
    ['hydrant bench', '100 000 events of 100 bytes at QoS 1 on this machine'],
    ['hydrant bench -q 0 -S 10', 'fan-out to ten subscribers'],
    ['hydrant bench --url mqtt://broker:1883 --window 20', 'another broker, with a small window'],
  ],
  define(command) {
    command
      .option('-n, --count <count>', 'events in all', wholeNumber(1), 100_000)
      .addOption(new Option('-q, --qos <qos>', 'of publishes and subscriptions').argParser(parseQos).default(1))
      .addOption(new Option('-s, --size <size>', 'payload of each event').argParser(sizeBytes).default(100))
      .option('--window <count>', 'publishes out and not acknowledged, for each publisher', wholeNumber(1, 65_535), 500)
      .option('--publishers <count>', 'connections that publish', wholeNumber(1, 10_000), 1)
      .option('-S, --subscribers <count>', 'connections that subscribe', wholeNumber(0, 10_000), 1);
    addConnectionOptions(command);
  },
  async run({ options, io }) {
    const { url, host, port } = options;
    const given = url !== undefined || host !== undefined || port !== undefined || Boolean(io.env.HYDRANT_URL);
    const [{ measure }, { startTemporaryServer }] = await Promise.all([
      import('../bench/measure.ts'),
      import('../bench/temporary-server.ts'),
    ]);
    await using server = given ? undefined : await startTemporaryServer(io.signal);
    const target = resolveConnection(server ? { ...options, url: server.url } : options, io.env);
    const result = await measure(target, options, io);
    await write(io.stdout, `${JSON.stringify({ url: server ? 'a temporary server' : target.url, ...result })}\n`);
    return undefined;
  },
});
