import { HydrantError } from '../core/errors.ts';
import type { DropReason } from './outbox/outbox.ts';

const WHY: Record<DropReason, string> = {
  oldest: 'the channel was at its bound',
  age: 'it was older than the channel keeps events',
  expired: 'its time was over',
  replaced: 'a newer one of its key took its place',
  operator: 'an operator dropped it',
};

export function droppedError(id: string, channel: string, reason: DropReason): HydrantError {
  return new HydrantError('HYD_DROPPED', `the event ${id} left the channel ${channel} unsent: ${WHY[reason]}`);
}
