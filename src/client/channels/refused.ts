import type { Publication } from '../options.ts';

/** What becomes of an event that was never stored: nothing, and both promises say why. */
export function refused(id: string, error: unknown): Publication {
  const never = Promise.reject(error);
  never.catch(() => {});
  return { id, stored: never, acked: never };
}
