import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HydrantOptions, type HydrantServer, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

/** What a wait's steps get: the server of the moment, and a name that no other try uses. */
export interface Try {
  server: HydrantServer;
  url: string;
  data: string;
  id: string;
}

/**
 * One wait of "journal first, state second, wire last". `act` provokes it on a server that dies at a crash point and
 * returns what the wire showed; `check` asks a server started again whether all that was promised by then is true.
 */
export interface Wait<Wire> {
  /** Crash points to try, each at its first, second, … time until the server survives `act`. */
  points: string[];
  /** Points before which the wire must not show the answer: with each of them one try at least must go unanswered. */
  before: string[];
  /** On a server that does not die. */
  prepare?(given: Try): Promise<void>;
  act(given: Try): Promise<Wire>;
  answered(wire: Wire): boolean;
  /** `act` passes each point once only: all but the first are tried at their first time and no more. */
  once?: boolean;
  /** Settings of the servers. */
  set?: HydrantOptions['set'];
  check(given: Try, wire: Wire): Promise<void>;
}

const MOST_TRIES = 25;
let tries = 0;

export function testWait<Wire>(title: string, wait: Wait<Wire>): void {
  test(title, { timeout: 120_000 }, async () => {
    await using folder = await createTempFolder();
    const data = folder.path;
    let id = await prepareFirst(wait, data);
    for (const point of wait.points) {
      const unanswered = await dieAtEach(point);
      if (wait.before.includes(point)) assert.ok(unanswered > 0, `${point} comes after the answer was sent`);
    }

    /** Dies at the point's first, second, … time until the server survives. @returns how often it died without an answer */
    async function dieAtEach(point: string): Promise<number> {
      let unanswered = 0;
      const most = wait.once && point !== wait.points[0] ? 1 : MOST_TRIES;
      let died = true;
      let startDeaths = 0;
      for (let count = 1; died && count <= most; count++) {
        assert.ok(count < MOST_TRIES, `${point}: still dying at its ${count}th time`);
        const crash = `${point}:${count}`;
        const outcome = await provoke(wait, crash, data, id);
        if (!outcome) {
          // The start passes there too. What it wrote it may not write again, so this time is tried once more.
          if (++startDeaths % 2 === 1) count--;
          continue;
        }
        died = outcome.died;
        if (died && !wait.answered(outcome.wire)) unanswered++;
        id = await checkPromises(wait, crash, data, id, outcome.wire);
        if (died) continue;
        assert.ok(wait.answered(outcome.wire), `it lived and gave no answer: ${JSON.stringify(outcome.wire)}`);
        assert.ok(count > 1, `${point} was never passed`);
      }
      return unanswered;
    }
  });
}

const nextId = (): string => `try${++tries}`;

async function prepareFirst<Wire>(wait: Wait<Wire>, data: string): Promise<string> {
  const id = nextId();
  if (!wait.prepare) return id;
  await using server = await startHydrant({ data, set: wait.set });
  await wait.prepare({ server, url: server.mqttUrl, data, id });
  await server.kill();
  return id;
}

/** Asks a server started after the crash; prepares the next try on it, whose name it returns. */
async function checkPromises<Wire>(wait: Wait<Wire>, crash: string, data: string, id: string, wire: Wire): Promise<string> {
  await using server = await startHydrant({ data, set: wait.set });
  try {
    await wait.check({ server, url: server.mqttUrl, data, id }, wire);
  } catch (error) {
    const told = `killed at ${crash}; the wire had shown ${JSON.stringify(wire)}\n${server.child.text()}`;
    throw new Error(`${(error as Error).message}\n${told}`, { cause: error });
  }
  const next = nextId();
  await wait.prepare?.({ server, url: server.mqttUrl, data, id: next });
  await server.kill();
  return next;
}

/** Undefined when the server died before anybody came. */
async function provoke<Wire>(
  wait: Wait<Wire>,
  crash: string,
  data: string,
  id: string,
): Promise<{ wire: Wire; died: boolean } | undefined> {
  const starting = startHydrant({ data, set: wait.set, env: { HYDRANT_CRASH: crash } });
  await using server = await starting.catch((error: Error) => {
    if (!error.message.includes('"signal":"SIGKILL"')) throw error;
    return undefined;
  });
  if (!server) return undefined;
  try {
    const wire = await wait.act({ server, url: server.mqttUrl, data, id });
    return { wire, died: await hasDied(server) };
  } catch (error) {
    if (await hasDied(server)) return undefined;
    throw error;
  }
}

/** Whether the server has been killed; one that serves a new client has not. */
async function hasDied(server: HydrantServer): Promise<boolean> {
  try {
    using probe = await RawClient.connect(server.mqttUrl);
    await probe.ping();
  } catch {
    await server.exited;
  }
  return server.child.exit !== undefined;
}

/** The answer, or undefined when the server died before it sent one. */
export function seen<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch(() => undefined);
}
