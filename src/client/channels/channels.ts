import { shown, usage } from '../checks.ts';
import type { ChannelContext } from './channel-context.ts';
import { DATA, DATA_BOUNDS, DataChannel, type DataOptions } from './data.ts';
import { assertBounds } from './known-options.ts';
import { STATE_OPTIONS, StateChannel, type StateOptions } from './state.ts';
import { STATE } from './state-memory.ts';

/** The channels of one client. Made when it opens: what an earlier process left of its state is sent whether anybody asks for the channel or not. */
export class Channels {
  readonly #context: ChannelContext;
  #state: StateChannel | undefined;
  readonly #data = new Map<string, DataChannel>();
  readonly #dataBounds: DataOptions = {};

  constructor(context: ChannelContext) {
    this.#context = context;
    this.findState();
  }

  /** Updates that another process has stored are gathered here, also where nobody asks for the channel, or the profile has none: each knows its topic. */
  findState(): void {
    if (this.#context.outbox.channels.has(STATE)) this.#openState();
  }

  /**
   * `state`, or `data` with or without a sub-channel (`data/sub`); the same object each time. All of `data` is one queue; a bound given again
   * takes the place of the one before.
   * @throws HYD_USAGE for a channel that the profile does not have, naming those there are, or an option that it does not have; HYD_UNSUPPORTED for a mode of `state`
   */
  open(name: 'state', options?: StateOptions): StateChannel;
  open(name: string, options?: DataOptions): DataChannel;
  open(name: string, options: StateOptions & DataOptions = {}): StateChannel | DataChannel {
    if (typeof name !== 'string') throw usage(`channel(): ${shown(name)} is no name`, 'Give data, data/SUB or state.');
    assertBounds(name, options, name === STATE ? STATE_OPTIONS : []);
    if (name === STATE) {
      this.#context.profile.topicOf(STATE);
      const state = this.#openState();
      state.configure(options);
      return state;
    }
    let channel = this.#data.get(name);
    if (!channel) {
      channel = new DataChannel(name, this.#context);
      this.#data.set(name, channel);
    }
    Object.assign(this.#dataBounds, options);
    const { bounds, outbox } = this.#context;
    outbox.configure(DATA, { ...DATA_BOUNDS, ...bounds['*'], ...bounds[DATA], ...this.#dataBounds });
    return channel;
  }

  #openState(): StateChannel {
    this.#state ??= new StateChannel(this.#context);
    return this.#state;
  }
}
