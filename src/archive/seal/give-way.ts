import { readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { basename } from 'node:path';

/** Against a thread that wants a core for itself, about a tenth of it. */
const STEPS = 10;
const LAST = 19;

/**
 * Lets the other threads go first where there are not cores enough. On Linux a thread has a priority of its own; elsewhere there is but the
 * process's, and that stays.
 */
export function giveWay(): void {
  try {
    const threadId = Number(basename(readlinkSync('/proc/thread-self')));
    setPriority(threadId, Math.min(LAST, getPriority(threadId) + STEPS));
  } catch {
    // It works all the same.
  }
}
