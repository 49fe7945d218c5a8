import type { Delivery } from './delivery.ts';
import type { Message } from './message.ts';
import type { Session } from './session.ts';
import type { SessionHost, Sink } from './session-host.ts';
import type { SessionState } from './session-state.ts';
import { SharedDelivery } from './shared-delivery.ts';

/** One who takes part in a group's work, while it is there. */
export interface Member {
  /** Deliveries that it has not answered: who has the fewest gets the next. */
  readonly load: number;
  /** It takes one more delivery now. */
  readonly hasRoom: boolean;
  /** It takes bytes now, which is all that QoS 0 asks. */
  readonly writable: boolean;
  /** Whether a message is for it at all: it may read it, and takes packets of that size. */
  suits(message: Message): boolean;
  take(shared: SharedDelivery): void;
  takeOnce(message: Message): void;
}

export interface DistributorOptions {
  host: SessionHost;
  state: SessionState;
  /** Whether a member that is away could take a message that none of those here can. */
  mayWait: (message: Message) => boolean;
  /** Nobody is there, and nobody holds a delivery. */
  onIdle: () => void;
}

/** Deliveries of a group out at once, at most: they have packet identifiers in its session. */
const MAX_OUT = 60_000;
/** Deliveries that wait for a member, above which no more are taken … */
const MAX_WAITING = 1000;
/** … and those that nobody here can take, above which the oldest are passed over. */
const MAX_UNSUITED = 500;
/** Members that are compared for one delivery. */
const COMPARED = 8;

/**
 * Hands what a group's session delivers to its members, each to one. A member without room is passed over, so nobody waits for anybody.
 * Lives from the first member that comes until the last has gone.
 */
export class SharedDistributor implements Sink {
  readonly writable = true;
  closed = false;
  readonly #session: Session;
  readonly #options: DistributorOptions;
  /** Those that are there; who was served last for QoS 0 stands last. */
  readonly #present = new Set<Member>();
  /** Of them, those that had room when last looked at; who was served last stands last. */
  readonly #ready = new Set<Member>();
  /** Deliveries without a member, in order. */
  #waiting: Delivery[] = [];
  #held = 0;

  constructor(session: Session, options: DistributorOptions) {
    this.#session = session;
    this.#options = options;
  }

  get window(): number {
    return this.#waiting.length < MAX_WAITING && this.#isAnyReady() ? MAX_OUT : 0;
  }

  /** A member has come, or has room again. */
  welcome(member: Member): void {
    this.#present.add(member);
    if (this.#ready.has(member) || !member.hasRoom) return;
    this.#ready.add(member);
    this.#goOn();
  }

  /** A member has gone; what it held it has given back, or still holds. */
  dismiss(member: Member): void {
    this.#present.delete(member);
    this.#ready.delete(member);
    this.#rest();
  }

  /** The group has ended. */
  close(): void {
    this.closed = true;
    this.#waiting = [];
  }

  deliver(delivery: Delivery): void {
    this.#place(delivery);
  }

  deliverOnce(message: Message): void {
    for (const member of this.#present) {
      if (!member.writable || !member.suits(message)) continue;
      this.#present.delete(member);
      this.#present.add(member);
      member.takeOnce(message);
      return;
    }
    this.#options.host.onDropped(this.#session, this.#suitsAny(message) ? 'slow-reader' : 'no-suitable-member');
  }

  /** Not used: a group's session delivers at QoS 1 at most, and its members do the rest. */
  release(): void {}

  /** @internal a QoS 2 delivery is a member's: after a crash the group must not give it to another. True when it will know. */
  claim(delivery: Delivery): boolean {
    delivery.stage = 'released';
    if (!this.#session.persistent || delivery.seq === 0) return false;
    this.#options.state.saveClaim(this.#session, delivery.seq);
    return true;
  }

  /** @internal */
  finish(delivery: Delivery): void {
    if (this.closed) return;
    this.#held--;
    this.#session.inFlight.acknowledge(delivery.packetId);
    this.#rest();
  }

  /** @internal @param giver gets it again only when there is nobody else */
  takeBack(delivery: Delivery, giver: Member): void {
    this.#held--;
    if (delivery.stage === 'released') {
      delivery.stage = 'sent';
      this.#options.state.saveCursor(this.#session);
    }
    delivery.dup = true;
    this.#place(delivery, giver);
    this.#rest();
  }

  /** Looks again at what waits: it may have expired, or somebody may read it now. */
  tick(): void {
    if (this.#waiting.length === 0) return;
    let excess = this.#waiting.length - MAX_UNSUITED;
    this.#waiting = this.#waiting.filter((delivery) => {
      if (excess <= 0 || this.#suitsAny(delivery.message!)) return true;
      excess--;
      this.#passOver(delivery, 'no-suitable-member');
      return false;
    });
    this.#goOn();
  }

  #goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const [at, delivery] of waiting.entries()) {
      if (this.#isAnyReady()) this.#place(delivery);
      else {
        this.#waiting.push(...waiting.slice(at));
        break;
      }
    }
    this.#session.pump();
  }

  #place(delivery: Delivery, giver?: Member): void {
    const message = delivery.message!;
    const secondsLeft = message.secondsLeft(this.#options.host);
    if (secondsLeft !== undefined && secondsLeft <= 0) return this.#passOver(delivery, 'expired');
    const member = this.#pick(message, giver);
    if (member) {
      this.#held++;
      member.take(new SharedDelivery(this, delivery, member));
    } else if (this.#present.size === 0 || this.#suitsAny(message) || this.#options.mayWait(message)) this.#wait(delivery);
    else this.#passOver(delivery, 'no-suitable-member');
  }

  #pick(message: Message, giver: Member | undefined): Member | undefined {
    let best: Member | undefined;
    let compared = 0;
    for (const member of this.#ready) {
      if (!member.hasRoom) this.#ready.delete(member);
      else if (member !== giver && member.suits(message)) {
        if (!best || member.load < best.load) best = member;
        if (++compared === COMPARED) break;
      }
    }
    if (!best && giver && this.#ready.has(giver)) best = giver;
    if (best) {
      this.#ready.delete(best);
      this.#ready.add(best);
    }
    return best;
  }

  #isAnyReady(): boolean {
    for (const member of this.#ready) {
      if (member.hasRoom) return true;
      this.#ready.delete(member);
    }
    return false;
  }

  #suitsAny(message: Message): boolean {
    for (const member of this.#present) if (member.suits(message)) return true;
    return false;
  }

  /** In the order of the journal, also what comes back. */
  #wait(delivery: Delivery): void {
    const before = this.#waiting.findLastIndex(({ seq }) => seq <= delivery.seq);
    this.#waiting.splice(before + 1, 0, delivery);
  }

  #passOver(delivery: Delivery, reason: 'expired' | 'no-suitable-member'): void {
    this.#options.host.onDropped(this.#session, reason);
    queueMicrotask(() => {
      if (!this.closed) this.#session.inFlight.acknowledge(delivery.packetId);
    });
  }

  #rest(): void {
    if (this.closed || this.#present.size > 0 || this.#held > 0) return;
    this.close();
    this.#options.onIdle();
  }
}
