import { randomBytes, randomFillSync } from 'node:crypto';

/** Random lower-case hex, `bytes` × 2 characters: journal ids, epochs, incarnations. */
export function createHexId(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** Two digits of base 32 by their value. */
const PAIRS = Array.from({ length: 1024 }, (_, value) => DIGITS[value >> 5]! + DIGITS[value & 31]!);
const PAIR = 1024;
const QUAD = PAIR * PAIR;
const random = new Uint32Array(1024);

let randomAt = random.length;
let lastMs = 0;
let timeText = '';
/** The 80 random bits: 40, 20 and 20. Only the last change from one id to the next, so the text before them is kept. */
let high = 0;
let middle = 0;
let low = 0;
let prefix = '';

/**
 * An id that sorts by time: 48 bits of milliseconds, 80 random bits, in 26 characters of Crockford's base 32. Each id of a process is
 * above the one before, also within a millisecond and when the clock goes back.
 */
export function createUlid(nowMs: number = Date.now()): string {
  if (nowMs > lastMs) startMillisecond(nowMs);
  else if (++low === QUAD) carry();
  return prefix + PAIRS[low >> 10]! + PAIRS[low & 1023]!;
}

function startMillisecond(nowMs: number): void {
  lastMs = nowMs;
  timeText = PAIRS[Math.floor(nowMs / 2 ** 40)]! + digits8(nowMs % 2 ** 40);
  // The top bit is left free, so that counting up within the millisecond never overflows.
  high = (random32() & 0x7ffff) * QUAD + (random32() & 0xfffff);
  middle = random32() & 0xfffff;
  low = random32() & 0xfffff;
  setPrefix();
}

function carry(): void {
  low = 0;
  if (++middle === QUAD) {
    middle = 0;
    high++;
  }
  setPrefix();
}

function setPrefix(): void {
  prefix = timeText + digits8(high) + digits4(middle);
}

function random32(): number {
  if (randomAt === random.length) {
    randomFillSync(random);
    randomAt = 0;
  }
  return random[randomAt++]!;
}

function digits8(value: number): string {
  return digits4(Math.floor(value / QUAD)) + digits4(value % QUAD);
}

function digits4(value: number): string {
  return PAIRS[value >> 10]! + PAIRS[value & 1023]!;
}
