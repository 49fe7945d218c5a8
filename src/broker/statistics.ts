/** Counters of a broker since its start. */
export interface Statistics {
  connections: number;
  sessions: number;
  subscriptions: number;
  retained: number;
  messagesIn: number;
  messagesOut: number;
  /** Messages not delivered, by reason. */
  dropped: Record<string, number>;
  /** Publishes refused, by reason. */
  refused: Record<string, number>;
  /** Connections closed for breaking the protocol or being too slow, by reason. */
  faults: Record<string, number>;
  connectionsTotal: number;
  /** QoS 0 events that could not be journalled. */
  unjournalled: number;
  /** Events that a session should have got and that no longer exist. */
  gapEvents: number;
}

/** Counts one in a table of reasons. */
export function count(table: Record<string, number>, reason: string): void {
  table[reason] = (table[reason] ?? 0) + 1;
}
