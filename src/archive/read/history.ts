import type { History } from '../../bus/history.ts';
import type { Log } from '../../core/log.ts';
import type { Catalogue } from '../catalogue.ts';
import { scan } from './scan.ts';

/**
 * The archive as the broker sees it: what is no longer in its journal. Damage is logged and left out.
 * @param journals the broker's own and those it goes on from, oldest first: their sequences never meet
 */
export function createHistory(catalogue: Catalogue, journals: readonly string[], log: Log): History {
  const onDamaged = (damage: object): void => log('error', 'a damaged place in the archive was skipped', { ...damage });
  return {
    async *read(filters, { fromSeq, toSeq, signal }) {
      for (const journal of journals) {
        for await (const records of scan(catalogue, { filters, journal, fromSeq, toSeq, signal, onDamaged }))
          yield records.map((record) => record.event);
      }
    },
    async seqAt(timeMs) {
      for (const journal of journals) {
        for await (const [first] of scan(catalogue, { journal, sinceMs: timeMs, limit: 1, onDamaged })) if (first) return first.event.seq;
      }
      return undefined;
    },
  };
}
