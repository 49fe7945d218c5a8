/** Quality of service, MQTT 3.1.1 §4.3: at most once, at least once, exactly once. */
export type QoS = 0 | 1 | 2;

/** What a publisher attached to an event beside its payload. Absent keys were not sent. */
export interface EventProps {
  /** Time of the event at its publisher, RFC 3339. Never used for ordering or partitioning. */
  time?: string;
  /** Payload format indicator, MQTT 5 §3.3.2.3.2: 1 = the payload is UTF-8 text. */
  format?: 0 | 1;
  /** Message expiry interval in seconds, as received, MQTT 5 §3.3.2.3.3. */
  expiry?: number;
  /** Response topic, MQTT 5 §3.3.2.3.5. */
  reply?: string;
  /** Correlation data in base64, MQTT 5 §3.3.2.3.6. */
  correlation?: string;
  /** User properties in the order sent, MQTT 5 §3.3.2.3.7. */
  user?: [string, string][];
}

/** One event, one shape: what travels on the bus, whatever engine carries it. */
export interface Event {
  topic: string;
  /** Carried untouched. */
  payload: Uint8Array;
  qos: QoS;
  retain: boolean;
  /** ULID from the publisher, where its protocol can carry one. */
  id?: string;
  contentType?: string;
  /** Who published it: the MQTT client id, or the name of a source. */
  source?: string;
  /** DUP as received: the publisher says that it sent this before. */
  dup?: boolean;
  props?: EventProps;
  /** `incarnation:packetId` of an inbound QoS 2 publish; recovery rebuilds the dedup set from it. */
  inbound?: string;
}

/** An event with its place in a journal. */
export interface StoredEvent extends Event {
  /** Sequence in its journal; 0 when the line carried none (a seed-written archive). */
  seq: number;
  /** Arrival time, RFC 3339 UTC with nanoseconds, as written. */
  ts: string;
}
