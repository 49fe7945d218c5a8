import type { ByteRange, ObjectBody, ObjectInfo, ObjectStore } from '../storage/store.ts';

export type StoreCall = 'put' | 'get' | 'stream' | 'head' | 'list' | 'delete';

/** A store whose calls a test can refuse, hold back or falsify. */
export class FaultyStore implements ObjectStore {
  readonly inner: ObjectStore;
  /** Every call, `put key`, in the order in which they came. */
  readonly calls: string[] = [];
  /** Calls under way now, and the most there ever were at once. */
  active = 0;
  mostActive = 0;
  /** Asked before each call: throws to refuse it, and holds it back until it resolves. */
  before: (call: StoreCall, key: string) => void | Promise<void> = () => {};
  /** What a put really stores; undefined: nothing, though it says that it did. */
  falsify: (key: string, body: ObjectBody) => ObjectBody | undefined = (_key, body) => body;

  constructor(inner: ObjectStore) {
    this.inner = inner;
  }

  put(key: string, body: ObjectBody, options: { ifNoneMatch: true }): Promise<'created'> {
    return this.#call('put', key, async () => {
      const real = this.falsify(key, body);
      return real === undefined ? 'created' : this.inner.put(key, real, options);
    });
  }

  get(key: string, range?: ByteRange): Promise<Buffer> {
    return this.#call('get', key, () => this.inner.get(key, range));
  }

  async *stream(key: string): AsyncGenerator<Buffer> {
    await this.#call('stream', key, async () => {});
    yield* this.inner.stream(key);
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#call('head', key, () => this.inner.head(key));
  }

  async *list(prefix = ''): AsyncGenerator<ObjectInfo> {
    await this.#call('list', prefix, async () => {});
    yield* this.inner.list(prefix);
  }

  delete(key: string): Promise<void> {
    return this.#call('delete', key, () => this.inner.delete(key));
  }

  clean(): Promise<number> {
    return this.inner.clean();
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #call<T>(call: StoreCall, key: string, act: () => Promise<T>): Promise<T> {
    this.calls.push(`${call} ${key}`);
    this.mostActive = Math.max(this.mostActive, ++this.active);
    try {
      await this.before(call, key);
      return await act();
    } finally {
      this.active--;
    }
  }
}
