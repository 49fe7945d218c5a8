/** When a segment is closed and the next one begins. */
export interface RotatePolicy {
  /** Size, bytes. Default 128 MiB. */
  bytes: number;
  /** Time since its first event, milliseconds; 0 = off. Default 1 hour. */
  ageMs: number;
  /** Time since its last event, milliseconds; 0 = off. Default 10 minutes. */
  idleMs: number;
  /** At each full hour, UTC. Default true: an archive object then lies in one hour. */
  hourly: boolean;
}

export const ROTATE_DEFAULTS: Readonly<RotatePolicy> = Object.freeze({
  bytes: 128 * 1024 * 1024,
  ageMs: 3_600_000,
  idleMs: 600_000,
  hourly: true,
});

/** Sequences that a segment's header reserves: recovery goes on above them, so none is ever given twice. */
export const RESERVED_BLOCK = 1 << 20;

const HOUR_MS = 3_600_000;

export interface RotateState {
  bytes: number;
  events: number;
  firstMs: number;
  lastMs: number;
}

/** Whether a segment must be closed before anything that arrives at `nowMs` is written. A clock that stepped back to another hour counts. */
export function mustRotate(policy: RotatePolicy, segment: RotateState, nowMs: number): boolean {
  if (segment.events === 0) return false;
  if (segment.bytes >= policy.bytes || segment.events >= RESERVED_BLOCK) return true;
  if (policy.hourly && Math.floor(nowMs / HOUR_MS) !== Math.floor(segment.firstMs / HOUR_MS)) return true;
  if (policy.ageMs > 0 && nowMs - segment.firstMs >= policy.ageMs) return true;
  return policy.idleMs > 0 && nowMs - segment.lastMs >= policy.idleMs;
}
