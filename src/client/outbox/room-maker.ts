import { errorText } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Commits } from './commits.ts';
import type { Drops } from './drops.ts';
import type { Lane, Room } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { ChannelReport } from './messages.ts';
import type { Pending } from './pending.ts';
import type { SendRight } from './send-right.ts';
import type { StoreLink } from './store-link.ts';

const MAX_VICTIMS = 4096;

export interface RoomMakerParts {
  store: StoreLink;
  lanes: Lanes;
  pending: Pending;
  commits: Commits;
  drops: Drops;
  right: SendRight;
  log: Log;
}

/** Room in channels that are at their bounds: lets in what waits, drops the oldest, asks the process that sends, and is asked. */
export class RoomMaker {
  readonly #parts: RoomMakerParts;
  readonly #granting = new Set<string>();

  constructor(parts: RoomMakerParts) {
    this.#parts = parts;
  }

  /** Lets in what waits and now has room, and makes room where the oldest may go. */
  look(): void {
    const { store, lanes, pending, commits } = this.#parts;
    if (commits.isFailing || lanes.isClosed) return;
    for (const lane of lanes.all()) {
      if (lane.waiting.length === 0) continue;
      pending.release(lane.takeFitting(lane.room(store.channels.get(lane.channel))));
      if (lane.waiting.length > 0 && lane.whenFull === 'drop-oldest') void this.#makeRoom(lane);
    }
  }

  /** To who wants to send, once what it was borrowed for is on disk. */
  returnRight(): void {
    const { lanes, commits, right } = this.#parts;
    if (commits.isRemoving) return;
    for (const lane of lanes.all()) if (lane.makesRoom) return;
    right.giveBack();
  }

  /** Another process asked for room. */
  async grant({ name, wanted }: ChannelReport): Promise<void> {
    if (wanted.events === 0 || this.#granting.has(name)) return;
    const { drops, pending } = this.#parts;
    this.#granting.add(name);
    try {
      await drops.dropOldest(name, wanted.events, wanted.bytes);
      await pending.change({ kind: 'want', channel: name, events: 0, bytes: 0, seen: 0 });
    } catch {
      // The disk fails or the outbox closes: who waits asks again.
    } finally {
      this.#granting.delete(name);
    }
  }

  async #makeRoom(lane: Lane): Promise<void> {
    if (lane.makesRoom) return;
    const { store, lanes, pending, drops, right, log } = this.#parts;
    lane.makesRoom = true;
    try {
      const wanting = lane.waiting.slice(0, MAX_VICTIMS);
      const room = lane.room(store.channels.get(lane.channel));
      const events = wanting.length - room.events;
      const bytes = wanting.reduce((sum, put) => sum + put.bytes, 0) - room.bytes;
      const freed = right.borrow() ? await drops.dropOldest(lane.channel, events, bytes) : await this.#askForRoom(lane, events, bytes);
      lane.stuckMs = freed.events > 0 ? undefined : (lane.stuckMs ?? performance.now());
      pending.release(lane.takeFitting({ events: room.events + freed.events, bytes: room.bytes + freed.bytes }));
      lanes.watch(lane);
    } catch (error) {
      // The next commit tells of the disk; what waits has its own time.
      log('warn', 'no room could be made in the outbox', { channel: lane.channel, error: errorText(error) });
    } finally {
      lane.makesRoom = false;
    }
  }

  /** Of the process that sends. */
  async #askForRoom({ channel }: Lane, events: number, bytes: number): Promise<Room> {
    const { store, pending } = this.#parts;
    const seen = store.channels.get(channel)?.events ?? 0;
    await pending.change({ kind: 'want', channel, events, bytes, seen });
    return { events: 0, bytes: 0 };
  }
}
