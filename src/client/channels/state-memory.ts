import { errorText } from '../../core/errors.ts';
import type { OutboxRecord } from '../outbox/outbox.ts';
import type { StateForm, StateMode } from '../profiles/profile.ts';
import type { ChannelContext } from './channel-context.ts';
import { applyPatch, type JsonObject, overwrite } from './merge-patch.ts';

/** The one queue of the state channel, and the name of its note. */
export const STATE = 'state';

/** How the state channel sends. */
export interface StateSettings {
  mode: StateMode;
  intervalMs: number;
  form: StateForm;
  resend: boolean;
}

interface Note {
  far: JsonObject;
  document: JsonObject;
  lastId: string | undefined;
  outSeq: number;
  settings: StateSettings;
}

/** What the state channel knows beyond its updates: a note in the outbox, so that the next process goes on from it. */
export class StateMemory {
  /** The document as the far end has it for certain. */
  far: JsonObject = {};
  /** As of the last publish. */
  document: JsonObject = {};
  /** As it will be when what waited at the start has been sent. */
  expected: JsonObject = {};
  /** Id of the last publish of the document. */
  lastId: string | undefined;
  /** Place of the last update that was ever out. */
  outSeq = 0;
  settings: StateSettings;
  readonly #context: ChannelContext;
  /** What this program said; it counts more than the note. */
  #chosen: Partial<StateSettings> = {};
  #loading: Promise<void> | undefined;

  constructor(context: ChannelContext) {
    this.#context = context;
    const { state, limits } = context.profile;
    this.settings = { mode: state.modes[0]!, intervalMs: limits.stateIntervalMs, form: state.form, resend: true };
  }

  /** Once; after a failure again. @throws HYD_OUTBOX */
  load(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  choose(settings: Partial<StateSettings>): void {
    Object.assign(this.#chosen, settings);
    Object.assign(this.settings, settings);
  }

  /** Is in the outbox with the next commit, so before the end of whatever is sent now. */
  save(): void {
    const { far, document, lastId, outSeq, settings } = this;
    const note: Note = { far, document, lastId, outSeq, settings };
    this.#context.outbox.setNote(STATE, Buffer.from(JSON.stringify(note))).catch((error: unknown) => {
      this.#context.log('warn', `the state document was not saved, the next publish tries again: ${errorText(error)}`);
    });
  }

  async #load(): Promise<void> {
    const { outbox } = this.#context;
    const note = await outbox.getNote(STATE);
    if (note) {
      const known = JSON.parse(Buffer.from(note).toString()) as Note;
      Object.assign(this, known, { settings: { ...this.settings, ...known.settings, ...this.#chosen } });
    }
    // A document has a few updates waiting at most: what was gathered one by one is not read through.
    const waiting = await outbox.read(STATE, 0, { maxEvents: 100, maxBytes: 1_048_576 });
    this.expected = foldRecords(this.document, waiting.filter(isPatch));
  }
}

/** Whether an update belongs to the document (modes `last` and `merge`), or is one of its own (`collect`). */
export function isPatch({ key }: OutboxRecord): boolean {
  return key !== undefined;
}

/** The `key` of such an update says how it is folded. */
export function patchKey(mode: 'last' | 'merge', name: string): string {
  return `${mode}:${name}`;
}

/** The document with these updates in it. */
export function foldRecords(document: JsonObject, records: readonly OutboxRecord[]): JsonObject {
  return records.reduce((result, { key = '', payload }) => {
    const patch = JSON.parse(Buffer.from(payload).toString()) as JsonObject;
    return key.startsWith('merge:') ? applyPatch(result, patch) : overwrite(result, patch);
  }, document);
}
