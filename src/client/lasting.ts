/** A result that comes once; its promise is made when somebody asks for it, and nobody has to handle it. */
export class Lasting<T> {
  #state: 'open' | 'resolved' | 'rejected' = 'open';
  #value: T | undefined;
  #error: Error | undefined;
  #asked: PromiseWithResolvers<T> | undefined;

  get isSettled(): boolean {
    return this.#state !== 'open';
  }

  get promise(): Promise<T> {
    if (!this.#asked) {
      this.#asked = Promise.withResolvers<T>();
      this.#asked.promise.catch(() => {});
      this.#tell();
    }
    return this.#asked.promise;
  }

  /** Counts only when it is the first. */
  resolve(value: T): void {
    if (this.#state !== 'open') return;
    this.#state = 'resolved';
    this.#value = value;
    this.#tell();
  }

  reject(error: Error): void {
    if (this.#state !== 'open') return;
    this.#state = 'rejected';
    this.#error = error;
    this.#tell();
  }

  #tell(): void {
    if (this.#state === 'resolved') this.#asked?.resolve(this.#value as T);
    else if (this.#state === 'rejected') this.#asked?.reject(this.#error!);
  }
}
