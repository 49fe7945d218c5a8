import type { Log } from '../../core/log.ts';
import type { MqttBusOptions, Timing } from './options.ts';

/** What the connections of one bus have in common. */
export interface LinkContext {
  readonly options: MqttBusOptions;
  readonly timing: Timing;
  readonly log: Log;
  /** 5 becomes 4 for all of them when the server refuses it. */
  readonly dialect: { version: 4 | 5 };
}
