import type { Outbox, Quarantined } from '../../client/outbox/outbox.ts';
import { HydrantError } from '../../core/errors.ts';

/** What is in quarantine, of some channels (all when none is given), channel by channel, in pieces. */
export async function* listQuarantined(outbox: Outbox, channels: readonly string[] = []): AsyncGenerator<Quarantined> {
  let afterSeq = 0;
  for (;;) {
    const piece = await outbox.quarantined({ afterSeq });
    if (piece.length === 0) return;
    for (const event of piece) if (channels.length === 0 || channels.includes(event.channel)) yield event;
    afterSeq = piece.at(-1)!.seq;
  }
}

/**
 * Those of the ids given, or all.
 * @throws HYD_USAGE for an id that is not there, naming it
 */
export async function chooseQuarantined(
  outbox: Outbox,
  ids: readonly string[],
  options: { all?: boolean; channel?: readonly string[] },
): Promise<number[]> {
  if (ids.length > 0 === (options.all ?? false))
    throw new HydrantError('HYD_USAGE', 'neither one event nor all, or both', { fix: 'Give ids, or --all.' });
  const seqs: number[] = [];
  const missing = new Set(ids);
  for await (const { id, seq } of listQuarantined(outbox, options.channel)) {
    if (!options.all && !missing.has(id)) continue;
    seqs.push(seq);
    missing.delete(id);
  }
  if (missing.size > 0)
    throw new HydrantError('HYD_USAGE', `there is no event ${[...missing].join(', ')} in quarantine`, {
      fix: 'Run `hydrant outbox ls` for those there are.',
    });
  return seqs;
}
