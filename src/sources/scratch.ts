/** What is kept between uses, at most. */
const KEPT_BYTES = 65_536;

/** Memory to put something together in, used again for the next: it grows for what is large, and shrinks after it. */
export class Scratch {
  bytes = Buffer.allocUnsafe(KEPT_BYTES);

  /** For the next use: what was put together before is gone. */
  begin(): void {
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafe(KEPT_BYTES);
  }

  /** Makes room for so many bytes more behind those that are used. */
  reserve(used: number, more: number): void {
    if (used + more <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, used + more));
    larger.set(this.bytes.subarray(0, used));
    this.bytes = larger;
  }
}
