import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { shareFirehose } from './firehose.ts';
import { ByteStream, readReplay } from './replay.ts';

/** Libraries of the firehose's users that Debian has not: what they send stands in replays/, found in their sources. */
const REPLAYS = [
  { file: 'ruby-mqtt.txt', library: "Ruby's gem mqtt", at: ['tcp', 'tls'] },
  { file: 'ruby-mqtt-3.1.txt', library: "Ruby's gem mqtt with version 3.1.0", at: ['tcp', 'tls'] },
  { file: 'haskell-mqtt-hs.txt', library: "Haskell's mqtt-hs", at: ['tcp'] },
];

const { doors, gerrit } = await shareFirehose();

for (const { file, library, at } of REPLAYS) {
  const steps = await readReplay(fileURLToPath(new URL(`replays/${file}`, import.meta.url)));
  for (const door of doors.filter(({ name }) => at.includes(name))) {
    for (const [pieces, cut] of [
      ['packet by packet', false],
      ['byte by byte', true],
    ] as const) {
      test(`${library} gets the answers it knows, over ${door.name}, ${pieces}`, async () => {
        using stream = await ByteStream.open(door.url, door.caFile ? await readFile(door.caFile) : undefined);
        for (const step of steps) {
          if (step.do === 'send') {
            for (const piece of cut ? Array.from(step.bytes, (byte) => Uint8Array.of(byte)) : [step.bytes]) stream.send(piece);
          } else if (step.do === 'expect') assert.equal(await stream.take(step.bytes.length), step.bytes.toString('hex'), step.line);
          else if (step.do === 'publish') await gerrit.deliver(step.topic, step.payload, { qos: step.qos });
          else assert.equal(await stream.end(), '');
        }
      });
    }
  }
}
