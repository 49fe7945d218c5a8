import { addressGroup } from '../core/address-group.ts';
import { Rate } from './rate.ts';

/** What the door lets in. Part of the configuration's `limits` section; 0 = no limit. */
export interface AdmissionLimits {
  connections: number;
  connectionsPerAddress: number;
  /** Per second and address, with ten seconds' worth at once. */
  connectRate: number;
}

const BURST_SECONDS = 10;

interface Peer {
  open: number;
  rate: Rate;
}

/** Counts connections by address, and says no before anything is read from one too many. */
export class Admission {
  readonly #limits: () => AdmissionLimits;
  readonly #nowMs: () => number;
  readonly #peers = new Map<string, Peer>();
  #open = 0;

  constructor(limits: () => AdmissionLimits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** @returns undefined when it may come in, and is counted until `leave`; else the reason why not */
  enter(address: string): 'connections' | 'connections-per-address' | 'connect-rate' | undefined {
    const { connections, connectionsPerAddress, connectRate } = this.#limits();
    const group = addressGroup(address);
    const nowMs = this.#nowMs();
    const burst = connectRate * BURST_SECONDS;
    let peer = this.#peers.get(group);
    if (!peer) {
      peer = { open: 0, rate: new Rate(burst, nowMs) };
      this.#peers.set(group, peer);
    }
    if (connections > 0 && this.#open >= connections) return 'connections';
    if (connectionsPerAddress > 0 && peer.open >= connectionsPerAddress) return 'connections-per-address';
    if (connectRate > 0 && peer.rate.take(connectRate, burst, nowMs) > 0) {
      peer.rate.giveBack();
      return 'connect-rate';
    }
    peer.open++;
    this.#open++;
    return undefined;
  }

  leave(address: string): void {
    const peer = this.#peers.get(addressGroup(address));
    if (!peer) return;
    peer.open--;
    this.#open--;
  }

  /** Forgets addresses that would be let in like new ones. */
  tick(): void {
    const { connectRate } = this.#limits();
    const nowMs = this.#nowMs();
    for (const [group, peer] of this.#peers)
      if (peer.open === 0 && peer.rate.isFull(connectRate, connectRate * BURST_SECONDS, nowMs)) this.#peers.delete(group);
  }
}
