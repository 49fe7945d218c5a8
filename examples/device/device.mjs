// What a device runs: its state and its data go out, configuration and commands come in. What is on disk is sent, whatever happens meanwhile.
import { generic, jwt, openClient } from 'hydrant/client';

const { DEVICE = 'd1', HYDRANT_URL = 'mqtt://127.0.0.1:1883', OUTBOX = './outbox', KEY_FILE } = process.env;

const client = await openClient({
  url: HYDRANT_URL,
  profile: generic({ device: DEVICE }),
  outbox: OUTBOX,
  credentials: KEY_FILE ? jwt({ key: KEY_FILE, claims: { sub: DEVICE } }) : undefined,
});
client.on('link', ({ kind, error }) => console.log(`link ${kind}`, error?.message ?? ''));

client.channel('state').update({ l_cpu_temp: 12, r_cpu_temp: 32, flow: 1, pressure: 12 });

const data = client.channel('data');
const events = Array.from({ length: 10 }, (_, index) => data.publish({ index, val: 10 + index }));
Promise.all(events.map(({ stored }) => stored)).then(() => console.log('10 events are on disk'));
Promise.all(events.map(({ acked }) => acked)).then(() => console.log('10 events are on the bus'), onFailure);

listen(client.config(), ({ payload }) => console.log(`config ${Buffer.from(payload)}`));
listen(client.commands(), ({ name, payload }) => console.log(`command ${name} ${Buffer.from(payload)}`));

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => client.close({ deadlineMs: 2_000 }).catch(onFailure));

/** Each is acknowledged when `handle` is done with it. */
async function listen(source, handle) {
  for await (const item of source) await handle(item);
}

function onFailure(error) {
  console.error(error.code, error.message);
}
