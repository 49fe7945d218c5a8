import { parseArgs } from 'node:util';
import { seededRandom } from '../../src/testing/random.ts';
import { runChaos } from './run.ts';

const USAGE = `npm run chaos -- [--seed N] [--seconds S] [--events N] [--broker hydrant|mosquitto]

Publishes numbered events with a client that is killed and started again, while its network, its disk and its broker break in ways that the seed
draws, and checks that all that it had stored has come, in order, and that what came twice came under the same id.

  --seed     default: the clock
  --seconds  for how long something breaks, default 120, with each broker
  --events   stored at least, default 200000
  --broker   default: both, one after the other
`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seconds: { type: 'string', default: '120' },
    events: { type: 'string', default: '200000' },
    broker: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [seed, seconds, events] = [values.seed ?? Date.now() % 2 ** 31, values.seconds, values.events].map(Number);
const brokers = (['hydrant', 'mosquitto'] as const).filter((name) => values.broker === undefined || values.broker === name);
if (values.help || brokers.length === 0 || ![seed, seconds, events].every((number) => Number.isFinite(number))) {
  (values.help ? process.stdout : process.stderr).write(USAGE);
  process.exit(values.help ? 0 : 2);
}
let failures = 0;
for (const broker of brokers) {
  const wrong = await runChaos({
    broker,
    random: seededRandom(seed!),
    seconds: seconds!,
    events: events!,
    meanMs: 1000,
    say: (line) => console.log(line),
  });
  for (const line of wrong.slice(0, 20)) console.error(line);
  if (wrong.length > 20) console.error(`… and ${wrong.length - 20} more`);
  if (wrong.length > 0) console.error(`npm run chaos -- --seed ${seed} --seconds ${seconds} --events ${events} --broker ${broker}`);
  failures += wrong.length;
}
process.exit(failures > 0 ? 1 : 0);
