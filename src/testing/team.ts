import type { Packet } from 'mqtt-packet';
import { within } from './deadline.ts';
import type { Published } from './packet-inbox.ts';
import type { RawClient } from './raw-client.ts';

/** What the members of one shared subscription got together, in the order it came. */
export class Team {
  readonly got: { member: RawClient; text: string; packet: Published }[] = [];
  #wake: () => void = () => {};

  /** Takes over a client's packets. @param answers false: it acknowledges nothing */
  add(member: RawClient, answers = true): void {
    member.onPacket = (packet) => {
      if (packet.cmd === 'publish') {
        this.got.push({ member, text: packet.payload.toString(), packet });
        this.#wake();
      }
      if (answers) answer(member, packet);
    };
    for (const packet of member.inbox.splice(0)) member.onPacket(packet);
  }

  get texts(): string[] {
    return this.got.map(({ text }) => text);
  }

  /** How many each got. */
  get shares(): Map<RawClient, number> {
    const shares = new Map<RawClient, number>();
    for (const { member } of this.got) shares.set(member, (shares.get(member) ?? 0) + 1);
    return shares;
  }

  /** Resolves when all of them together have got `count` messages. */
  async until(count: number, timeoutMs = 10_000): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#wake = () => this.got.length >= count && done.resolve();
    this.#wake();
    await within(done.promise, timeoutMs, () => `${count} messages in the group, got ${this.texts.join(' ')}`);
  }
}

function answer(client: RawClient, { cmd, messageId, ...rest }: Packet): void {
  if (cmd === 'publish' && (rest as Published).qos > 0) client.ack((rest as Published).qos === 1 ? 'puback' : 'pubrec', messageId);
  if (cmd === 'pubrel') client.ack('pubcomp', messageId);
}
