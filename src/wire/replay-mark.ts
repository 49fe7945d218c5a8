import type { Event } from './event.ts';

/** The MQTT 5 user property that marks a replayed event with the record it was: `journal-epoch-sequence`, or its time where it had none. */
export const REPLAY_MARK = 'hydrant-replay';

/** Whether an event was published again by a replay. Anybody can set the mark: it says, and proves nothing. */
export function isReplayed(event: Pick<Event, 'props'>): boolean {
  return event.props?.user?.some(([name]) => name === REPLAY_MARK) ?? false;
}
