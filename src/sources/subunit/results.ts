import type { SubunitPacket, SubunitStatus } from './packet.ts';

/** A test that was told of to the end, or that the stream ended in. */
export interface TestResult {
  test: string;
  /** `incomplete`: the stream ended before the test did. */
  status: Exclude<SubunitStatus, 'inprogress'> | 'incomplete';
  start_time?: string;
  stop_time?: string;
  /** Seconds. */
  duration?: number;
  tags: string[];
  attachments: Attachment[];
}

interface Attachment {
  name: string;
  mime_type?: string;
  /** Bytes. */
  size: number;
}

/** Of a whole stream: how many tests ended how. */
export interface Totals {
  /** That were run. */
  tests: number;
  success: number;
  fail: number;
  skip: number;
  xfail: number;
  uxsuccess: number;
  /** Listed and not run; not among the tests. */
  exists: number;
  incomplete: number;
  start_time?: string;
  stop_time?: string;
  /** Seconds between the first and the last time in the stream. */
  duration?: number;
}

/** Seconds and nanoseconds of a packet. */
interface Moment {
  seconds: number;
  nanoseconds: number;
}

interface OpenTest {
  /** Told of as one that exists, and of nothing that it did. */
  isListed: boolean;
  id: string;
  characters: number;
  start: Moment | undefined;
  last: Moment | undefined;
  tags: Set<string>;
  attachments: Map<string, Attachment>;
}

/** Tests begun and not ended, and characters of their names, tags and attachments' names, at most. What a stream has beyond is counted and left out. */
const MOST_OPEN = 100_000;
const MOST_CHARACTERS = 32 * 1024 * 1024;

/** Puts the packets of a stream together to tests: many packets tell of one, and packets of several come mixed. */
export class Results {
  readonly totals: Totals = { tests: 0, success: 0, fail: 0, skip: 0, xfail: 0, uxsuccess: 0, exists: 0, incomplete: 0 };
  /** What did not fit the bounds. */
  leftOut = 0;
  readonly #open = new Map<string, OpenTest>();
  #characters = 0;
  #first: Moment | undefined;
  #last: Moment | undefined;

  /** @returns the test that ends with this packet, if one does */
  add(packet: SubunitPacket): TestResult | undefined {
    const moment = readMoment(packet);
    if (moment) this.#note(moment);
    const { testId, status } = packet;
    if (testId === undefined) return undefined;
    const key = `${packet.routeCode ?? ''}\0${testId}`;
    const isLast = status !== undefined && status !== 'inprogress' && status !== 'exists';
    let test = this.#open.get(key);
    if (!test) {
      test = {
        id: testId,
        isListed: status === 'exists',
        characters: 0,
        start: undefined,
        last: undefined,
        tags: new Set(),
        attachments: new Map(),
      };
      if (!isLast && this.#open.size >= MOST_OPEN) this.leftOut++;
      else if (!isLast && this.#fits(test, testId)) this.#open.set(key, test);
    }
    if (status !== 'exists') test.isListed = false;
    if (!isLast && !test.isListed) test.start ??= moment;
    test.last = moment ?? test.last;
    this.#addParts(test, packet);
    if (!isLast) return undefined;
    if (this.#open.delete(key)) this.#characters -= test.characters;
    return this.#close(test, status, test.last);
  }

  /** Tests that the stream began and did not end, and those that it only lists. */
  *end(): Generator<TestResult> {
    for (const test of this.#open.values()) yield this.#close(test, test.isListed ? 'exists' : 'incomplete', undefined);
    this.#open.clear();
    const { totals } = this;
    if (!this.#first || !this.#last) return;
    totals.start_time = timeText(this.#first);
    totals.stop_time = timeText(this.#last);
    totals.duration = secondsBetween(this.#first, this.#last);
  }

  #addParts(test: OpenTest, { tags, fileName, fileBytes, mimeType }: SubunitPacket): void {
    for (const tag of tags ?? []) if (!test.tags.has(tag) && this.#fits(test, tag)) test.tags.add(tag);
    if (fileName === undefined) return;
    let attachment = test.attachments.get(fileName);
    if (!attachment) {
      if (!this.#fits(test, fileName)) return;
      attachment = { name: fileName, ...(mimeType !== undefined && { mime_type: mimeType }), size: 0 };
      test.attachments.set(fileName, attachment);
    }
    attachment.size += fileBytes?.length ?? 0;
  }

  #fits(test: OpenTest, text: string): boolean {
    if (this.#characters + text.length > MOST_CHARACTERS) {
      this.leftOut++;
      return false;
    }
    this.#characters += text.length;
    test.characters += text.length;
    return true;
  }

  #close(test: OpenTest, status: TestResult['status'], stop: Moment | undefined): TestResult {
    if (status !== 'exists') this.totals.tests++;
    this.totals[status]++;
    const { start } = test;
    return {
      test: test.id,
      status,
      ...(start && { start_time: timeText(start) }),
      ...(stop && { stop_time: timeText(stop) }),
      ...(start && stop && { duration: secondsBetween(start, stop) }),
      tags: [...test.tags],
      attachments: [...test.attachments.values()],
    };
  }

  #note(moment: Moment): void {
    if (!this.#first || secondsBetween(moment, this.#first) > 0) this.#first = moment;
    if (!this.#last || secondsBetween(this.#last, moment) > 0) this.#last = moment;
  }
}

function readMoment({ seconds, nanoseconds }: SubunitPacket): Moment | undefined {
  return seconds === undefined ? undefined : { seconds, nanoseconds: Math.min(nanoseconds, 999_999_999) };
}

/** RFC 3339 with microseconds, which is what subunit's own tools write. */
function timeText({ seconds, nanoseconds }: Moment): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(Math.trunc(nanoseconds / 1000)).padStart(6, '0')}Z`;
}

/** Exact to the microsecond. */
function secondsBetween(from: Moment, to: Moment): number {
  return Math.round((to.seconds - from.seconds) * 1e6 + (to.nanoseconds - from.nanoseconds) / 1000) / 1e6;
}
