const SMALLEST = 16;
/** An empty queue that had this much room lets go of it. */
const LARGE = 65_536;

/** A queue whose ends are cheap to add to and to take from, however long it is. It holds on to nothing that was taken. */
export class Fifo<T> {
  /** A ring; its length is a power of two. */
  #items: (T | undefined)[] = [];
  #first = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#first + this.#length++) & (this.#items.length - 1)] = item;
  }

  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#first];
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#first];
    this.#items[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#items.length - 1);
    if (--this.#length === 0 && this.#items.length >= LARGE) this.clear();
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#first = this.#length = 0;
  }

  #grow(): void {
    const { length } = this.#items;
    const grown = new Array<T | undefined>(Math.max(SMALLEST, length * 2)).fill(undefined);
    for (let i = 0; i < length; i++) grown[i] = this.#items[(this.#first + i) & (length - 1)];
    this.#items = grown;
    this.#first = 0;
  }
}
