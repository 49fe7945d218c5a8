import { assertKeys, assertNumber, shown, usage } from './checks.ts';
import type { ReceiveOptions } from './inlets.ts';
import type { ClientEvents } from './listeners.ts';

const EVENTS: Record<keyof ClientEvents, true> = {
  link: true,
  leading: true,
  dropped: true,
  quarantined: true,
  warning: true,
  'clock-skew': true,
};
const READ = 'Read what comes: `for await (const { event } of client.subscribe(FILTER)) …`.';
/** Events that other clients have. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  connect: 'The event `link` tells of connections; nobody has to wait for one.',
  error: 'The event `link` tells of connections that failed, the promises of `publish()` of events that did.',
  message: READ,
};
const RECEIVE: readonly (keyof ReceiveOptions)[] = ['retained', 'maxInFlight', 'durable', 'signal'];

/** @throws HYD_USAGE */
export function checkListener(event: string, listener: unknown): void {
  if (!Object.hasOwn(EVENTS, event))
    throw usage(
      `the client has no event ${shown(event)}`,
      Object.hasOwn(ELSEWHERE, event) ? ELSEWHERE[event]! : `Events are ${Object.keys(EVENTS).join(', ')}.`,
    );
  if (typeof listener !== 'function') throw usage(`the listener of ${event} is ${shown(listener)}`, 'Give a function.');
}

/** A generator that nobody asks for anything would say nothing. @throws HYD_USAGE */
export function checkSubscription(filters: readonly unknown[], options: ReceiveOptions): void {
  if (typeof options === 'function') throw usage('subscribe() calls nothing back', READ);
  const wrong = filters.findIndex((filter) => typeof filter !== 'string');
  if (wrong !== -1 || filters.length === 0)
    throw usage(`subscribe(): the filter is ${shown(filters[wrong])}`, "Give one or several, such as 'a/#'.");
  assertKeys('subscribe()', options, RECEIVE);
  const { retained, maxInFlight } = options;
  if (retained !== undefined && retained !== 'keep' && retained !== 'skip')
    throw usage(`retained of subscribe(): ${shown(retained)}`, 'Give keep or skip.');
  assertNumber('maxInFlight of subscribe()', maxInFlight, { above: 0, whole: true });
}

/** @throws HYD_USAGE */
export function checkEnding(of: string, options: { deadlineMs?: number }, known: readonly string[]): void {
  assertKeys(of, options, known);
  assertNumber(`deadlineMs of ${of}`, options.deadlineMs, { min: 0 });
}
