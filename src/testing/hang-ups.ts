import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { within } from './deadline.ts';
import type { RawClient } from './raw-client.ts';
import type { StandIn } from './stand-in.ts';

const LIMIT_MS = 60_000;

/** What a service hangs up on, the reason that its stand-in notes, and a device that does it. */
export type HangUp = [rule: string, reason: RegExp, act: (raw: RawClient) => void];

interface Device<Service> {
  start(t: TestContext): Promise<Service>;
  login(service: Service): Promise<RawClient>;
}

/** A test for each rule. */
export function testHangUps<Service extends StandIn>({ start, login }: Device<Service>, hangUps: readonly HangUp[]): void {
  for (const [rule, reason, act] of hangUps) {
    test(`the stand-in hangs up on ${rule}, as the service does`, async (t) => {
      const service = await start(t);
      using raw = await login(service);
      act(raw);
      await within(raw.ended, LIMIT_MS, 'the end of the connection');
      assert.match(service.closings.join(), reason);
    });
  }
}
