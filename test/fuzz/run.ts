import { setTimeout as wait } from 'node:timers/promises';
import { errorText } from '../../src/core/errors.ts';
import { describeStep, Peer } from './peer.ts';
import { type Case, type Life, makeCase } from './script.ts';
import type { Subject } from './subject.ts';
import { Wire } from './wire.ts';

export interface RunOptions {
  seed: number;
  /** Number of the first case; default 0. */
  first?: number;
  /** Cases to play; default: as many as fit into `seconds`. */
  cases?: number;
  seconds?: number;
  /** Cases under way at once; default 12. */
  lanes?: number;
}

/** Something that the server did wrong. */
export interface Finding {
  text: string;
  /** Cases that show it; all that were under way when it is not known which. */
  cases: number[];
}

/** So many kinds of them are enough to begin with. */
const MOST_FINDINGS = 10;
/** A server that is about to end has ended within this time, milliseconds. */
const LAST_WORDS_MS = 1000;

/** Plays cases against a server while its canary beats. Resolves with how many were played and what was found. */
export async function runCases(subject: Subject, options: RunOptions): Promise<{ played: number; findings: Finding[] }> {
  const { seed, first = 0, cases = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY, lanes = 12 } = options;
  const untilMs = performance.now() + seconds * 1000;
  const findings = new Map<string, Finding>();
  const underWay = new Set<number>();
  let next = first;
  let over = false;
  const note = (text: string, index?: number): void => {
    // Without the step where it showed.
    const kind = text.replace(/^peer \d+.*?: (?=[^:]*$)|\d+/gs, '');
    const finding = findings.get(kind) ?? { text, cases: [] };
    finding.cases.push(...(index === undefined ? underWay : [index]));
    findings.set(kind, finding);
    over ||= findings.size >= MOST_FINDINGS || subject.server.child.exit !== undefined;
  };
  const lane = async (): Promise<void> => {
    while (!over && next < first + cases && performance.now() < untilMs) {
      const index = next++;
      underWay.add(index);
      await playCase(subject, makeCase(seed, index)).catch((error) => note(errorText(error), index));
      underWay.delete(index);
    }
  };
  const beating = beat(subject, () => over, note);
  await Promise.all(Array.from({ length: lanes }, lane));
  over = true;
  await beating;
  const found = [...findings.values()];
  const end = found.length > 0 ? await serverEnd(subject) : undefined;
  // All else follows from that.
  if (end) return { played: next - first, findings: [{ text: end, cases: [...new Set(found.flatMap((finding) => finding.cases))] }] };
  return { played: next - first, findings: found };
}

async function serverEnd({ server: { child } }: Subject): Promise<string | undefined> {
  const exit = await Promise.race([child.exited, wait(LAST_WORDS_MS, undefined)]);
  return exit && `the server ended: ${JSON.stringify(exit)}\n${child.text()}`;
}

async function beat(subject: Subject, isOver: () => boolean, note: (text: string) => void): Promise<void> {
  let complaints = 0;
  for (let last = false; !last; ) {
    last = isOver();
    try {
      await subject.canary.beat();
    } catch (error) {
      note(`the canary: ${errorText(error)}`);
      return;
    }
    for (const line of subject.complaints.slice(complaints)) note(`the server logged: ${line}`);
    complaints = subject.complaints.length;
    await wait(20);
  }
}

/** @throws what the server did wrong, with everything that was sent */
export async function playCase(subject: Subject, { seed, index, peers }: Case): Promise<void> {
  const from = `127.${1 + ((seed + index) % 100)}.${(index >> 8) & 255}.${1 + (index % 250)}`;
  const all: Peer[] = [];
  const playLives = async (lives: Life[], at: number): Promise<void> => {
    for (const [number, life] of lives.entries()) {
      const { server } = subject;
      const peer = new Peer(life, await Wire.open(life.door === 'ws' ? server.wsUrl : server.mqttUrl, from));
      peer.onConnect = () => announce(peer, all);
      all.push(peer);
      await peer.play().catch((cause) => {
        throw new Error(`peer ${at + 1}, connection ${number + 1}, ${errorText(cause)}`, { cause });
      });
    }
  };
  const played = await Promise.allSettled(peers.map(playLives));
  for (const peer of all) peer.destroy();
  for (const result of played) if (result.status === 'rejected') throw result.reason;
  for (const peer of all) if (peer.failure) throw peer.failure;
}

/** A CONNECT goes out: whoever has its client id may be sent away, and it too when the order of two is not known. */
function announce(peer: Peer, all: readonly Peer[]): void {
  if (peer.life.clientId === '') return;
  for (const other of all) {
    if (other === peer || other.life.clientId !== peer.life.clientId || !other.hasConnected) continue;
    other.mayBeTaken = true;
    if (other.isUnanswered) peer.mayBeTaken = true;
  }
}

/** What a case sends, for people. */
export function describeCase({ peers }: Case): string {
  return peers
    .flatMap((lives, peer) =>
      lives.flatMap((life, number) => [
        `peer ${peer + 1}, connection ${number + 1}: ${life.door}, MQTT ${life.version}, ${JSON.stringify(life.clientId)}${life.clean ? ', clean' : ''}, answers ${life.reaction}`,
        ...life.steps.map((step, at) => {
          const bytes =
            'sent' in step ? ` ${step.sent.bytes.subarray(0, 60).toString('hex')}${step.sent.bytes.length > 60 ? '…' : ''}` : '';
          return `  ${at + 1}. ${describeStep(step)}${bytes}`;
        }),
      ]),
    )
    .join('\n');
}
