import { statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openOutbox } from '../../src/client/outbox/open-outbox.ts';
import { writeFileAtomic } from '../../src/core/atomic-file.ts';
import { type BreakingProxy, startBreakingProxy } from '../../src/testing/breaking-proxy.ts';
import { Child } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { mountSmallDisk, type SmallDisk } from '../../src/testing/small-disk.ts';
import { createTempFolder, type TempFolder } from '../../src/testing/temp-folder.ts';
import type { ChaosBroker } from './brokers.ts';
import type { ChildTask } from './child-task.ts';
import { textOf } from './numbers.ts';
import type { Fault, FaultKind } from './plan.ts';

const CHILD = fileURLToPath(new URL('./chaos-child.ts', import.meta.url));
const CLIENT_ID = 'chaos';
/** For the outbox and what waits while there is no way out. */
const DISK_BYTES = 64 * 1024 * 1024;
const PATIENCE_MS = 240_000;

/** A client in a process of its own, the network, the disk and the broker that it depends on, and how each of them breaks. */
export class Arena implements AsyncDisposable {
  readonly broker: ChaosBroker;
  /** What the client said is stored, by its text. */
  readonly stored = new Set<string>();
  /** What it said is wrong. */
  readonly wrong: string[] = [];
  readonly pids: number[] = [];
  readonly #proxy: BreakingProxy;
  readonly #disk: SmallDisk;
  readonly #folder: TempFolder;
  readonly #eventsPerSecond: number;
  #child: Child | undefined;
  #read = 0;

  private constructor(broker: ChaosBroker, proxy: BreakingProxy, disk: SmallDisk, folder: TempFolder, eventsPerSecond: number) {
    this.broker = broker;
    this.#proxy = proxy;
    this.#disk = disk;
    this.#folder = folder;
    this.#eventsPerSecond = eventsPerSecond;
  }

  static async open(broker: ChaosBroker, eventsPerSecond: number): Promise<Arena> {
    const folder = await createTempFolder('chaos');
    const disk = await mountSmallDisk(DISK_BYTES);
    const arena = new Arena(broker, await startBreakingProxy(broker.port), disk, folder, eventsPerSecond);
    await writeFile(arena.#passwordFile, broker.password);
    await writeFile(arena.#clockFile, '0');
    arena.startClient();
    return arena;
  }

  /** Does one fault, and mends what it broke. */
  async perform({ kind, amount }: Fault): Promise<void> {
    await this.#faults[kind](amount);
  }

  startClient(): void {
    const task: ChildTask = {
      outbox: this.#outbox,
      url: `mqtt://127.0.0.1:${this.#proxy.port}`,
      life: this.pids.length,
      clientId: CLIENT_ID,
      username: this.broker.username,
      passwordFile: this.#passwordFile,
      clockFile: this.#clockFile,
      eventsPerSecond: this.#eventsPerSecond,
    };
    this.#child = new Child(process.execPath, ['--disable-warning=ExperimentalWarning', CHILD, JSON.stringify(task)]);
    this.#read = 0;
    this.pids.push(this.#child.pid);
  }

  /** Resolves when the client has stored so many events in all its lives. */
  async storedSoMany(count: number): Promise<void> {
    const come = (): boolean => {
      this.#readLines();
      return this.stored.size >= count || this.#child!.exit !== undefined;
    };
    await until(come, () => `${count} stored events; there are ${this.stored.size}\n${this.log}`, PATIENCE_MS);
  }

  /** Lets the client send what is left and end. */
  async finish(): Promise<void> {
    const child = this.#child!;
    await child.line((line) => (line === 'ready .' ? true : undefined), PATIENCE_MS, 'the client');
    const exit = await child.kill('SIGTERM', PATIENCE_MS);
    this.#readLines();
    if (exit.code !== 0) this.wrong.push(`the client ended with ${exit.code ?? exit.signal}\n${this.log}`);
    if (!child.lines.includes('closed 0 .')) this.wrong.push(`the client left something\n${this.log}`);
    await using outbox = await openOutbox(this.#outbox, { create: false });
    for (const [name, { events, quarantined }] of outbox.channels)
      if (events + quarantined > 0) this.wrong.push(`the outbox has ${events} events and ${quarantined} quarantined ones of ${name}`);
  }

  /** What the client logged last. */
  get log(): string {
    const lines = this.#child?.lines.filter((line) => !line.startsWith('stored ')) ?? [];
    return lines.slice(-100).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child?.[Symbol.asyncDispose]();
    await this.#proxy[Symbol.asyncDispose]();
    await this.#disk[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }

  readonly #faults: Record<FaultKind, (amount: number) => Promise<void>> = {
    'kill the broker': async (ms) => {
      await this.broker.kill('SIGKILL');
      await sleep(ms);
      await this.broker.start();
    },
    'stop the broker': async (ms) => {
      await this.broker.kill('SIGTERM');
      await sleep(ms);
      await this.broker.start();
    },
    'replace the data of the broker': async (ms) => {
      await this.broker.kill('SIGKILL');
      await sleep(ms);
      await this.broker.start({ empty: true });
    },
    'freeze the broker': async (ms) => {
      this.broker.signal('SIGSTOP');
      await sleep(ms);
      this.broker.signal('SIGCONT');
    },
    'wipe the session': async () => {
      this.#proxy.blackhole();
      // Unseen by the client: it finds that its session has gone when it connects again.
      const { url, username, password } = this.broker;
      const other = await RawClient.connect(url, { clientId: CLIENT_ID, clean: true, username, password });
      await other.disconnect();
      this.#proxy.heal();
      this.#proxy.cut();
    },
    'black hole': async (ms) => {
      this.#proxy.blackhole();
      await sleep(ms);
      this.#proxy.heal();
    },
    'reset connections': async () => this.#proxy.cut(),
    'cut what the client sends': async (bytes) => this.#proxy.cutAfter('client', bytes),
    'cut what the broker sends': async (bytes) => this.#proxy.cutAfter('server', bytes),
    'fill the disk': async (ms) => {
      const { bavail, bsize } = await statfs(this.#disk.path);
      // The client writes meanwhile: the last of it does not fit.
      await this.#disk.fill(bavail * bsize).catch(() => {});
      await sleep(ms);
      await this.#disk.free();
    },
    'kill the client': async (ms) => {
      const { signal } = await this.#child!.kill('SIGKILL');
      if (signal !== 'SIGKILL') this.wrong.push(`the client had ended by itself\n${this.log}`);
      this.#readLines();
      await sleep(ms);
      this.startClient();
    },
    'set the clock': async (ms) => {
      await writeFileAtomic(this.#clockFile, String(ms));
    },
    'refuse the login': async (ms) => {
      await writeFileAtomic(this.#passwordFile, 'wrong');
      this.#proxy.cut();
      await sleep(ms);
      await writeFileAtomic(this.#passwordFile, this.broker.password);
    },
  };

  get #outbox(): string {
    return join(this.#disk.path, 'outbox');
  }

  get #passwordFile(): string {
    return join(this.#folder.path, 'password');
  }

  get #clockFile(): string {
    return join(this.#folder.path, 'clock');
  }

  #readLines(): void {
    const { lines } = this.#child!;
    const life = this.pids.length - 1;
    for (; this.#read < lines.length; this.#read++) {
      const words = lines[this.#read]!.split(' ');
      if (words.at(-1) !== '.') continue;
      if (words[0] === 'wrong:') this.wrong.push(lines[this.#read]!);
      if (words[0] !== 'stored') continue;
      for (const number of words.slice(2, -1)) this.stored.add(textOf({ channel: words[1]!, life, number: Number(number) }));
    }
  }
}
