import type { StoredEvent } from '../wire/event.ts';

/** An event in the journal, with its arrival in milliseconds since 1970 beside the written `ts`. */
export interface JournalRecord extends StoredEvent {
  arrivalMs: number;
}
