/**
 * Whether every topic that `wanted` matches is matched by `allowed` too; both must be valid filters.
 * A leading wildcard covers nothing that begins with `$`, as in matching: MQTT 5 §4.7.2.
 */
export function covers(allowed: string, wanted: string): boolean {
  const a = allowed.split('/');
  const w = wanted.split('/');
  if (isWild(a[0]!) && isReserved(w[0]!)) return false;
  // Every topic has a first level, so `+/#` leaves nothing of `#` out.
  if (wanted === '#') return allowed === '#' || allowed === '+/#';
  for (const [at, level] of w.entries()) {
    if (a[at] === '#') return true;
    if (a[at] === undefined || level === '#') return false;
    if (a[at] !== '+' && a[at] !== level) return false;
  }
  return a.length === w.length || (a.length === w.length + 1 && a.at(-1) === '#');
}

/** Whether some topic is matched by both filters; both must be valid. */
export function overlaps(one: string, other: string): boolean {
  const a = one.split('/');
  const b = other.split('/');
  if ((isWild(a[0]!) && isReserved(b[0]!)) || (isWild(b[0]!) && isReserved(a[0]!))) return false;
  for (let at = 0; ; at++) {
    const [x, y] = [a[at], b[at]];
    if (x === '#' || y === '#' || (x === undefined && y === undefined)) return true;
    if (x === undefined || y === undefined || (x !== y && x !== '+' && y !== '+')) return false;
  }
}

function isWild(level: string): boolean {
  return level === '#' || level === '+';
}

function isReserved(level: string): boolean {
  return level.startsWith('$');
}
