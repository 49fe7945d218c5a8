import type { Bus, Receipt } from '../../bus/bus.ts';
import type { Timing } from '../../bus/mqtt/options.ts';
import type { HydrantError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Outbox, OutboxRecord } from '../outbox/outbox.ts';
import type { RateLimit } from './rate-limit.ts';

export interface DrainOptions {
  bus: Bus;
  outbox: Outbox;
  /** Publishes out at once. */
  maxInFlight: number;
  rate: RateLimit;
  /** How often the server may hang up on one event that is out alone. */
  maxAttempts: number;
  timing: Timing;
  log: Log;
  /** The bus has it; it is out of the outbox with the next commit. */
  onAcked(record: OutboxRecord, receipt: Receipt, tookMs: number): void;
  onExpired(record: OutboxRecord): void;
  onQuarantined(record: OutboxRecord, error: HydrantError): void;
}
