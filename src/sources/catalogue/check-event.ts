import { createEventCheck, type EventCheck } from './event-check.ts';
import { SCHEMAS } from './schemas.ts';

/** Checks against every schema that there is: one for all sources of a process. */
export const checkEvent: EventCheck = createEventCheck(SCHEMAS);
