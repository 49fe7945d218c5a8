/** What a connection counts of its packets, as they are on the wire. */
export interface Traffic {
  packetsIn: number;
  packetsOut: number;
  bytesIn: number;
  bytesOut: number;
}

/** Counters of a broker since its start, and how many there are of what now. `$SYS` and /metrics both show these. */
export interface Statistics extends Traffic {
  /** Connections open, whether or not their CONNECT has come. */
  connections: number;
  /** Clients that are connected, and the most there ever were at once. */
  connected: number;
  connectedMax: number;
  /** Sessions, those of absent clients and of roles in this process included. */
  sessions: number;
  /** Sessions of absent clients. */
  disconnected: number;
  sessionsExpired: number;
  /** Of sessions, but for those to `$share` groups and to the past. */
  subscriptions: number;
  /** Of members of `$share` groups. */
  sharedSubscriptions: number;
  retained: number;
  /** Published by clients and over HTTP. */
  messagesIn: number;
  messagesOut: number;
  payloadBytesIn: number;
  payloadBytesOut: number;
  /** Events that the server made itself. */
  ownEvents: number;
  /** Messages not delivered, by reason. */
  dropped: Record<string, number>;
  /** Publishes, subscriptions, logins and connections refused, by reason. */
  refused: Record<string, number>;
  /** Connections closed for breaking the protocol or being too slow, by reason. */
  faults: Record<string, number>;
  connectionsTotal: number;
  /** CONNECT packets, refused ones included. */
  connectsTotal: number;
  /** QoS 0 events that could not be journalled. */
  unjournalled: number;
  /** Events that a session should have got and that no longer exist. */
  gapEvents: number;
}

export function createStatistics(): Statistics {
  return {
    connections: 0,
    connected: 0,
    connectedMax: 0,
    sessions: 0,
    disconnected: 0,
    sessionsExpired: 0,
    subscriptions: 0,
    sharedSubscriptions: 0,
    retained: 0,
    messagesIn: 0,
    messagesOut: 0,
    payloadBytesIn: 0,
    payloadBytesOut: 0,
    packetsIn: 0,
    packetsOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    ownEvents: 0,
    dropped: {},
    refused: {},
    faults: {},
    connectionsTotal: 0,
    connectsTotal: 0,
    unjournalled: 0,
    gapEvents: 0,
  };
}

/** Counts one, or so many, in a table of reasons. */
export function count(table: Record<string, number>, reason: string, times = 1): void {
  table[reason] = (table[reason] ?? 0) + times;
}

export function addTraffic(sum: Traffic, { packetsIn, packetsOut, bytesIn, bytesOut }: Traffic): void {
  sum.packetsIn += packetsIn;
  sum.packetsOut += packetsOut;
  sum.bytesIn += bytesIn;
  sum.bytesOut += bytesOut;
}

/** All of a table of reasons. */
export function total(table: Record<string, number>): number {
  let sum = 0;
  for (const reason in table) sum += table[reason]!;
  return sum;
}
