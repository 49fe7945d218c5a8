import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';

/** The nice values of this process's threads of a name, as Linux tells them. */
export function nicenessOf(name: string): number[] {
  const ids = readdirSync('/proc/self/task').map(Number);
  return ids.filter((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim() === name).map((id) => getPriority(id));
}
