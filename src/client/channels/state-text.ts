import { HydrantError } from '../../core/errors.ts';
import type { Profile, StateForm } from '../profiles/profile.ts';
import type { JsonObject } from './merge-patch.ts';
import { largestPart } from './payload.ts';

/** What stands before and after the JSON of a state, as the service wants it. */
function frame({ state }: Profile): readonly [string, string] {
  return state.wrap ?? ['', ''];
}

/** Updates one after the other as one array: an array's elements stand in it as written. */
export function arrayText(updates: readonly string[], profile: Profile): string {
  const [before, after] = frame(profile);
  return `${before}[${updates.map(elementsOf).join(',')}]${after}`;
}

export function documentText(document: JsonObject, form: StateForm, profile: Profile): string {
  const [before, after] = frame(profile);
  const text = JSON.stringify(document);
  return `${before}${form === 'array' ? `[${text}]` : text}${after}`;
}

/** The text between an array's brackets, empty for `[]`; of anything else the text itself. */
export function elementsOf(text: string): string {
  return text.startsWith('[') ? text.slice(1, -1).trim() : text;
}

/** @throws HYD_TOO_LARGE, naming the part that takes most of it */
export function assertFits(text: string, value: unknown, what: string, { name, limits }: Profile): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= limits.maxStateBytes) return;
  const part = largestPart(value);
  const most = part ? `; the largest part is ${part.name} with ${part.bytes} bytes` : '';
  throw new HydrantError(
    'HYD_TOO_LARGE',
    `${what} takes ${bytes} bytes; the profile ${name} allows ${limits.maxStateBytes} in one state${most}`,
    {
      fix: part ? `Make ${part.name} smaller, or send it by the data channel.` : 'Send it by the data channel.',
    },
  );
}
