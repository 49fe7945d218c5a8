import type { Arrival } from './brokers.ts';
import { isBefore, type NumberedEvent, parseText } from './numbers.ts';

/** What was promised and not kept: each stored event has come, always under the same id, in the order of its channel. */
export function judge(stored: ReadonlySet<string>, arrivals: readonly Arrival[]): string[] {
  const ids = new Map<string, string | undefined>();
  const texts = new Map<string | undefined, string>();
  const last = new Map<string, NumberedEvent>();
  const wrong: string[] = [];
  for (const { text, id } of arrivals) {
    if (ids.has(text)) {
      if (ids.get(text) !== id) wrong.push(`${text} came as ${ids.get(text)} and as ${id}`);
      continue;
    }
    if (id === undefined || texts.has(id)) wrong.push(`${text} has the id ${id}, as ${texts.get(id)} has`);
    ids.set(text, id);
    texts.set(id, text);
    const event = parseText(text);
    const before = last.get(event.channel);
    if (before && !isBefore(before, event)) wrong.push(`${text} came after ${before.channel} ${before.life} ${before.number}`);
    last.set(event.channel, event);
  }
  for (const text of stored) if (!ids.has(text)) wrong.push(`${text} was stored and has not come`);
  return wrong;
}
