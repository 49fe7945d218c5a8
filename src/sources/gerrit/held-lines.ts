/** What may wait while older events are read; then the stream waits. */
const MAX_BYTES = 16 * 1024 ** 2;

/** Lines that come while older events are still being read from elsewhere wait for them. */
export class HeldLines {
  readonly #next: (line: Buffer) => Promise<unknown>;
  #lines: Buffer[] | undefined;
  #bytes = 0;
  #released = Promise.withResolvers<void>();

  constructor(next: (line: Buffer) => Promise<unknown>) {
    this.#next = next;
  }

  hold(): void {
    this.#lines = [];
  }

  /** Resolves when the next line may come. */
  async take(line: Buffer): Promise<void> {
    if (!this.#lines) return void (await this.#next(line));
    this.#lines.push(line);
    this.#bytes += line.length;
    if (this.#bytes > MAX_BYTES) await this.#released.promise;
  }

  async release(): Promise<void> {
    const lines = this.#lines;
    if (!lines) return;
    // What comes meanwhile goes behind.
    for (let at = 0; at < lines.length; at++) await this.#next(lines[at]!);
    this.#lines = undefined;
    this.#released.resolve();
  }
}
