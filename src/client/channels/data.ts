import { createUlid } from '../../core/id.ts';
import type { EventProps, QoS } from '../../wire/event.ts';
import { assertDetails } from '../check-details.ts';
import { assertKeys } from '../checks.ts';
import type { Publication } from '../options.ts';
import { assertAllowed } from '../profiles/check.ts';
import type { ChannelContext } from './channel-context.ts';
import type { OwnBounds } from './known-options.ts';
import { encodePayload } from './payload.ts';
import { refused } from './refused.ts';

/** Bounds of the one queue that `data` and all its sub-channels have; by default 100 000 events and `reject`. */
export type DataOptions = OwnBounds;

export interface DataPublishOptions {
  /** Sub-channel: further levels of the topic. */
  sub?: string;
  /** Default 1. */
  qos?: QoS;
  /** Milliseconds after which nobody wants it. Default: never. */
  ttlMs?: number;
  /** MQTT 5 only. */
  contentType?: string;
  /** Default: a new ULID. */
  id?: string;
  props?: EventProps;
}

const KNOWN: readonly (keyof DataPublishOptions)[] = ['sub', 'qos', 'ttlMs', 'contentType', 'id', 'props'];
const ELSEWHERE = { retain: 'Data is not retained: `client.publish({ topic, payload, retain: true })` is for any topic.' };

/** Events in their order, each kept until the bus has acknowledged it. Made by `client.channel('data')`. */
export class DataChannel {
  readonly name: string;
  readonly #context: ChannelContext;
  /** Topics by sub-channel, as the profile gave them. */
  readonly #topics = new Map<string, string>();

  /** @throws HYD_USAGE when the profile has no such channel */
  constructor(name: string, context: ChannelContext) {
    this.name = name;
    this.#context = context;
    this.#topicOf(undefined);
  }

  /**
   * Never throws: what is wrong rejects both promises, before anything is stored.
   * @param payload bytes, text, or a value that is sent as JSON; may be empty
   * @throws HYD_TOO_LARGE, HYD_UNSUPPORTED, HYD_TOPIC, HYD_USAGE by `stored` and `acked`, beside what those throw
   */
  publish(payload: unknown, options: DataPublishOptions = {}): Publication {
    const id = options?.id ?? createUlid();
    try {
      assertKeys('publish()', options, KNOWN, ELSEWHERE);
      const { sub, qos = 1, ttlMs, contentType, props } = options;
      const topic = this.#topicOf(sub);
      assertDetails({ topic, ...options });
      const request = { topic, payload: encodePayload(payload), qos, retain: false, id, contentType, props, ttlMs, channel: DATA };
      assertAllowed(this.#context.profile, request, DATA);
      return this.#context.publish(request);
    } catch (error) {
      return refused(id, error);
    }
  }

  #topicOf(sub = ''): string {
    let topic = this.#topics.get(sub);
    if (topic === undefined) {
      topic = this.#context.profile.topicOf(sub === '' ? this.name : `${this.name}/${sub}`);
      if (this.#topics.size < MAX_TOPICS) this.#topics.set(sub, topic);
    }
    return topic;
  }
}

/** The one queue of all sub-channels. */
export const DATA = 'data';

/** Kept, so that a sub-channel made of a number does not fill memory. */
const MAX_TOPICS = 1_000;

/** As many as the document's client had room for. */
export const DATA_BOUNDS: OwnBounds = { maxEvents: 100_000 };
