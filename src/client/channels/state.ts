import { HydrantError } from '../../core/errors.ts';
import { createHexId, createUlid } from '../../core/id.ts';
import { isObject } from '../../core/objects.ts';
import type { Publication } from '../options.ts';
import type { StateForm, StateMode } from '../profiles/profile.ts';
import type { ChannelContext } from './channel-context.ts';
import type { OwnBounds } from './known-options.ts';
import { applyPatch, composePatches, type JsonObject, overwrite } from './merge-patch.ts';
import { readUpdate, type StateUpdate } from './payload.ts';
import { refused } from './refused.ts';
import { StateGatherer, WHOLE } from './state-gatherer.ts';
import { patchKey, STATE, StateMemory } from './state-memory.ts';
import { arrayText, assertFits, documentText, elementsOf } from './state-text.ts';

export interface StateOptions extends OwnBounds {
  /**
   * `collect`: every update is kept; those of an interval go as one JSON array, in which the elements of an array stand one by one.
   * `last`: one document with the newest value of each key. `merge`: one document into which updates are merged (RFC 7396: objects
   * key by key, null removes). Default: the first that the profile has, `collect` for the generic one.
   */
  mode?: StateMode;
  /** At most one publish in this time, milliseconds. Default: the profile's, 1 000; never less than its service takes. */
  intervalMs?: number;
  /** What `last` and `merge` send: the document, an array with the document in it, or only what has changed (RFC 7396). Default: the profile's. */
  form?: StateForm;
  /** `last` and `merge`: after each connect the document is sent once more, under the same event id. Default true. */
  resend?: boolean;
}

export const STATE_OPTIONS: readonly (keyof StateOptions)[] = ['mode', 'intervalMs', 'form', 'resend'];

/** What becomes of an update. `id` is that of its place in the outbox; the publish that carries it has the id of its last update. */
export type Update = Publication;

interface Newest {
  readonly key: string;
  readonly id: string;
  readonly publication: Publication;
}

/** Updates of what a device is like, gathered into at most one publish per interval. Made by `client.channel('state')`. */
export class StateChannel {
  readonly name = STATE;
  readonly #context: ChannelContext;
  readonly #memory: StateMemory;
  readonly #gatherer: StateGatherer;
  /** Updates of another process have other keys, so that none takes the place of another's. */
  readonly #process = createHexId(4);
  readonly #bounds: OwnBounds = {};
  #mode: StateMode;
  /** Everything under `#key` that may be waiting. */
  #patch: JsonObject = {};
  #key = '';
  #keys = 0;
  #newest: Newest | undefined;

  constructor(context: ChannelContext) {
    this.#context = context;
    this.#mode = context.profile.state.modes[0]!;
    this.#memory = new StateMemory(context);
    this.#gatherer = new StateGatherer(context, this.#memory);
    this.#gatherer.onGathered = (id) => id === this.#newest?.id && this.#startPatch();
    context.gatherWith(STATE, this.#gatherer);
    context.onUp(() => void this.#resend().catch(() => {}));
  }

  /** What is given again takes the place of what was before. @throws HYD_UNSUPPORTED for a mode that the service cannot make sense of, HYD_USAGE */
  configure({ mode = this.#mode, intervalMs, form, resend, ...bounds }: StateOptions): void {
    const { name, state, limits } = this.#context.profile;
    if (!state.modes.includes(mode))
      throw new HydrantError('HYD_UNSUPPORTED', `the state of the profile ${name} has no mode ${mode}`, {
        fix: `Use ${state.modes.join(' or ')}.`,
      });
    if (intervalMs !== undefined && !(typeof intervalMs === 'number' && intervalMs >= limits.minStateIntervalMs))
      throw new HydrantError(
        'HYD_USAGE',
        `intervalMs ${intervalMs}: the profile ${name} allows a state every ${limits.minStateIntervalMs} ms`,
      );
    if (mode !== this.#mode) this.#startPatch();
    this.#mode = mode;
    const given = { mode, intervalMs, form, resend };
    this.#memory.choose(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
    Object.assign(this.#bounds, bounds);
    const { bounds: all, outbox } = this.#context;
    outbox.configure(STATE, { ...all['*'], ...all[STATE], ...this.#bounds });
  }

  /**
   * Never throws: what is wrong rejects both promises, before anything is stored. `[]` is no update and settles at once.
   * In `last` and `merge`, `acked` resolves with the publish of the document that has the update in it.
   * @param update a value, or JSON as text or bytes, which `collect` keeps as written
   * @throws HYD_USAGE when it is not JSON (or not an object, for `last` and `merge`), HYD_TOO_LARGE naming the largest part, by `stored` and
   * `acked`, beside what those throw
   */
  update(update: unknown): Update {
    const id = createUlid();
    try {
      const read = readUpdate(update);
      if (elementsOf(read.text) === '') return nothing(id);
      return this.#mode === 'collect' ? this.#collect(id, read) : this.#merge(id, read.value, this.#mode);
    } catch (error) {
      return refused(id, error);
    }
  }

  /**
   * Sends what was gathered without waiting for the end of the interval, but for the time that the service needs between two states. Resolves
   * once the bus has it, at once when there is nothing.
   * @throws what `acked` of the newest update throws
   */
  async publishNow(): Promise<void> {
    const newest = this.#newest;
    if (!newest) return;
    this.#gatherer.hurry(newest.id);
    try {
      await this.#ackOf(newest);
    } finally {
      this.#gatherer.calm(newest.id);
    }
  }

  get #topic(): string {
    return this.#context.profile.topicOf(STATE);
  }

  #collect(id: string, { text, value }: StateUpdate): Update {
    assertFits(arrayText([text], this.#context.profile), value, 'the state update', this.#context.profile);
    return this.#put(id, text, undefined);
  }

  #merge(id: string, value: unknown, mode: 'last' | 'merge'): Update {
    if (!isObject(value))
      throw new HydrantError(
        'HYD_USAGE',
        `the state update is ${Array.isArray(value) ? 'an array' : JSON.stringify(value)}, not an object`,
        {
          fix: `Give an object, or use the mode collect in place of ${mode}.`,
        },
      );
    const { profile } = this.#context;
    const fold = mode === 'merge' ? applyPatch : overwrite;
    const document = fold(fold(this.#memory.expected, this.#patch), value);
    assertFits(documentText(document, this.#memory.settings.form, profile), document, 'the state with this update', profile);
    let patch = mode === 'merge' ? composePatches(this.#patch, value) : overwrite(this.#patch, value);
    if (!patch || Buffer.byteLength(JSON.stringify(patch)) > profile.limits.maxStateBytes) {
      this.#startPatch();
      patch = value;
    }
    this.#patch = patch;
    this.#key ||= patchKey(mode, `${this.#process}-${++this.#keys}`);
    return this.#put(id, JSON.stringify(patch), this.#key);
  }

  /** What waits stays as it is; what comes is stored beside it. */
  #startPatch(): void {
    this.#patch = {};
    this.#key = '';
  }

  #put(id: string, text: string, key: string | undefined): Update {
    const publication = this.#context.publish({
      id,
      topic: this.#topic,
      payload: text,
      qos: 1,
      contentType: 'application/json',
      channel: STATE,
      key,
    });
    const newest = { id, key: key ?? '', publication };
    this.#newest = newest;
    const ackOf = (): Promise<Awaited<Publication['acked']>> => this.#ackOf(newest);
    return {
      id,
      get stored() {
        return publication.stored;
      },
      get acked() {
        return ackOf();
      },
    };
  }

  /** Of an update whose place another took: the other's, which has it too. */
  #ackOf({ key, publication }: Newest): Publication['acked'] {
    const acked = publication.acked.catch((error: unknown) => {
      const newest = this.#newest;
      if (
        newest &&
        key !== '' &&
        newest.key === key &&
        newest.publication !== publication &&
        (error as HydrantError).code === 'HYD_DROPPED'
      )
        return this.#ackOf(newest);
      throw error;
    });
    acked.catch(() => {});
    return acked;
  }

  async #resend(): Promise<void> {
    await this.#memory.load();
    const { lastId, settings } = this.#memory;
    if (lastId === undefined || settings.mode === 'collect' || !settings.resend) return;
    const topic = this.#topic;
    // What waits will have the document sent anyway.
    const waiting = await this.#context.outbox.read(STATE, 0, { maxEvents: 1, maxBytes: 1 });
    if (waiting.length > 0) return;
    this.#context.publish({
      id: lastId,
      topic,
      payload: WHOLE,
      qos: 1,
      contentType: 'application/json',
      channel: STATE,
      key: patchKey('last', 'whole'),
    });
  }
}

function nothing(id: string): Update {
  return { id, stored: Promise.resolve(), acked: Promise.resolve({ id, seq: 0 }) };
}
