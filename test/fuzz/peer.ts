import type { Packet, PublishPacket } from '../../src/mqtt/packet.ts';
import { within } from '../../src/testing/deadline.ts';
import type { Sent } from './breakage.ts';
import { int16 } from './draft.ts';
import type { Life, Step } from './script.ts';
import { ServerRules } from './server-rules.ts';
import type { Answer, Verdict } from './verdict.ts';
import type { Wire } from './wire.ts';

/** The longest that an answer or a close may take, milliseconds: the machine may be busy with other things. */
const PATIENCE_MS = 30_000;
const TAKEN_OVER = 0x8e;
const UNSUPPORTED = 0x84;
/** Of a CONNACK that says no, MQTT 3.1.1 §3.2.2.3. */
const RETURN_CODES = [1, 2, 3, 4, 5];
const QUOTA_EXCEEDED = 0x97;

type AckCommand = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';
const ACK_BYTES: Record<AckCommand, number> = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 };

/** Plays one life and judges what the server does. */
export class Peer {
  readonly life: Life;
  /** Another connection came with the same client id, so this one may be sent away. */
  mayBeTaken = false;
  /** Whoever sends a CONNECT says so before. */
  onConnect: () => void = () => {};
  readonly #wire: Wire;
  readonly #rules: ServerRules;
  /** Answers that are due. */
  readonly #due: Answer[] = [];
  readonly #late: (() => void)[] = [];
  /** Nothing is asked any more: a packet may have ended it, or this end did. */
  #isFree = false;
  #leaving = false;
  #hasConnected = false;
  #expected: (Verdict & { kind: 'close' }) | undefined;
  #failure: Error | undefined;
  #wake: () => void = () => {};

  constructor(life: Life, wire: Wire) {
    this.life = life;
    this.#wire = wire;
    this.#rules = new ServerRules(life, (packet) => this.#onPacket(packet));
    wire.onBytes = (bytes) => this.#guard(() => this.#rules.push(bytes));
    wire.onFailure = (error) => this.#fail(error);
    void wire.closed.then(() => this.#guard(() => this.#onClose()));
  }

  /** It has sent a CONNECT. */
  get hasConnected(): boolean {
    return this.#hasConnected;
  }

  /** Its CONNECT was never answered, so whether it came before or after another's is not known; also when it has gone since. */
  get isUnanswered(): boolean {
    return this.#hasConnected && !this.#rules.connack;
  }

  /** What the server did wrong, also after the last step. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** @throws what the server did wrong, at the step where it showed */
  async play(): Promise<void> {
    for (const [at, step] of this.life.steps.entries()) {
      try {
        await this.#take(step);
        if (this.#failure) throw this.#failure;
      } catch (error) {
        throw new Error(`step ${at + 1}, ${describeStep(step)}: ${(error as Error).message}`, { cause: error });
      }
    }
  }

  destroy(): void {
    this.#isFree = true;
    this.#wire.destroy();
  }

  async #take(step: Step): Promise<void> {
    switch (step.do) {
      case 'send':
        return this.#send(step.sent, step.cuts, step.joined);
      case 'frame':
        this.#expect(step.sent.verdict as Verdict);
        return this.#wire.writeRaw(step.sent.bytes);
      case 'settle':
        this.#goOn();
        return this.#until(
          () => this.#due.length === 0 || this.#isFree || this.#expected !== undefined || this.#leaving,
          () => `answers: ${this.#dueText()}`,
        );
      case 'await close':
        this.#goOn();
        if (this.#isFree && !this.#leaving && !this.#expected) return;
        return this.#until(
          () => this.#wire.isClosed,
          () => 'the server to close',
        );
      case 'pause':
        return this.#wire.pause();
      case 'resume':
        return this.#wire.resume();
      default:
        return this.#end(step.do);
    }
  }

  async #send(sent: Sent, cuts: readonly number[], joined: boolean): Promise<void> {
    if (this.#wire.isClosed) return;
    // What the server offers is known with its CONNACK only.
    if (typeof sent.verdict === 'function') {
      this.#goOn();
      await this.#until(
        () => this.#rules.connack !== undefined || this.#isFree,
        () => 'CONNACK',
      );
    }
    this.#expect(typeof sent.verdict === 'function' ? sent.verdict(this.#rules.terms) : sent.verdict);
    if (!this.#isFree && !this.#expected && !this.#leaving) this.#due.push(...sent.answers);
    if (sent.acknowledges) this.#rules.acknowledged(sent.acknowledges);
    if (sent.answers[0]?.key === 'connack') {
      this.#hasConnected = true;
      this.onConnect();
    }
    await this.#wire.write(sent.bytes, cuts, joined);
  }

  /** What was held goes out and what comes is read. */
  #goOn(): void {
    this.#wire.flush();
    this.#wire.resume();
    for (const answer of this.#late.splice(0).reverse()) answer();
  }

  #expect(verdict: Verdict): void {
    if (this.#isFree || this.#expected || this.#leaving) return;
    if (verdict.kind === 'open') this.#isFree = this.#rules.anyFlow = true;
    if (verdict.kind === 'close') this.#expected = verdict;
    if (verdict.kind === 'goodbye') this.#leaving = true;
  }

  async #end(how: 'half-close' | 'reset' | 'cut'): Promise<void> {
    this.#isFree = true;
    if (how === 'reset') this.#wire.reset();
    else if (how === 'cut') this.#wire.destroy();
    else {
      this.#wire.resume();
      this.#wire.halfClose();
      await this.#until(
        () => this.#wire.isClosed,
        () => 'the server to close its half',
      );
    }
  }

  #onPacket(packet: Packet): void {
    switch (packet.cmd) {
      case 'publish':
        return this.#onPublish(packet);
      case 'pubrel':
        return this.#react(() => this.#ack('pubcomp', packet.messageId!));
      case 'disconnect':
        return this.#onDisconnect(packet.reasonCode ?? 0);
      case 'connack':
        return this.#onConnack((packet.reasonCode ?? packet.returnCode ?? 0) as number);
      case 'pubrec':
        this.#answered(`pubrec ${packet.messageId}`);
        if ((packet.reasonCode ?? 0) < 0x80) this.#ack('pubrel', packet.messageId!);
        else this.#answered(`pubcomp ${packet.messageId}`);
        return;
      case 'pingresp':
        return this.#answered('pingresp');
      default:
        return this.#answered(`${packet.cmd} ${packet.messageId}`, 'granted' in packet ? (packet.granted as number[]) : undefined);
    }
  }

  #onConnack(code: number): void {
    this.#answered('connack');
    if (code === 0 || this.#isFree) return;
    const codes = this.#expected?.codes;
    // A server that does not know the version may answer as 3.1.1 does.
    const allowed = this.life.version < 5 ? codes && RETURN_CODES : codes?.includes(UNSUPPORTED) ? [...codes, 1] : codes;
    if (!allowed?.includes(code)) throw new Error(`CONNACK says 0x${code.toString(16)}`);
  }

  #onDisconnect(code: number): void {
    if (this.#isFree || (this.mayBeTaken && code === TAKEN_OVER)) return;
    const codes = this.#expected?.codes;
    if (!codes || (codes.length > 0 && !codes.includes(code)))
      throw new Error(
        `DISCONNECT says 0x${code.toString(16)}${codes ? `, not one of ${codes.map((each) => `0x${each.toString(16)}`).join(', ')}` : ''}`,
      );
  }

  #onClose(): void {
    this.#wake();
    if (this.#isFree || this.mayBeTaken || this.#leaving) return;
    if (!this.#expected) throw new Error(`closed by the server although every packet was a good one; due: ${this.#dueText()}`);
    const isSilent = this.life.version === 5 && this.#rules.connack && !this.#rules.connack.reasonCode && !this.#rules.goodbye;
    if (isSilent && this.#expected.codes.length > 0) throw new Error('closed without the reason that MQTT 5 has a packet for');
  }

  #onPublish({ qos, messageId }: PublishPacket): void {
    if (qos === 0) return;
    const { reaction, version } = this.life;
    const right: AckCommand = qos === 1 ? 'puback' : 'pubrec';
    if (reaction === 'wrong') this.#isFree = this.#rules.anyFlow = true;
    const command = reaction === 'wrong' ? (qos === 1 ? 'pubcomp' : 'puback') : right;
    if (reaction === 'refusing' && version === 5) this.#react(() => this.#refuse(right, messageId!));
    else this.#react(() => this.#ack(command, messageId!));
  }

  #react(answer: () => void): void {
    const { reaction } = this.life;
    if (reaction === 'never') return;
    if (reaction === 'late') this.#late.push(answer);
    else answer();
    if (reaction === 'twice') answer();
  }

  #ack(command: AckCommand, id: number): void {
    if (command === 'puback' || command === 'pubcomp') this.#rules.acknowledged(id);
    this.#wire.answer(Buffer.concat([Buffer.of(ACK_BYTES[command], 2), int16(id)]));
  }

  #refuse(command: AckCommand, id: number): void {
    this.#rules.acknowledged(id);
    this.#wire.answer(Buffer.concat([Buffer.of(ACK_BYTES[command], 3), int16(id), Buffer.of(QUOTA_EXCEEDED)]));
  }

  #answered(key: string, codes?: number[]): void {
    const at = this.#due.findIndex((answer) => answer.key === key);
    if (at === -1) return;
    const wanted = this.#due.splice(at, 1)[0]!.codes;
    if (wanted && !wanted.every((code, index) => code === undefined || code === codes?.[index]))
      throw new Error(`${key} grants ${codes?.join(', ')}; asked for ${wanted.join(', ')}`);
    if (wanted && wanted.length !== codes?.length) throw new Error(`${key} has ${codes?.length} codes for ${wanted.length} filters`);
    this.#wake();
  }

  #dueText(): string {
    return (
      this.#due
        .map((answer) => answer.key)
        .slice(0, 10)
        .join(', ') || 'none'
    );
  }

  #guard(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  async #until(done: () => boolean, what: () => string): Promise<void> {
    const over = Promise.withResolvers<void>();
    this.#wake = () => {
      if (this.#failure || this.#wire.isClosed || done()) over.resolve();
    };
    this.#wake();
    await within(over.promise, PATIENCE_MS, what);
  }
}

export function describeStep(step: Step): string {
  return 'sent' in step ? step.sent.what : step.do;
}
