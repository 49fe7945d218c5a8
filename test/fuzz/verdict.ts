/** What a server that keeps to the standard does with a packet. */
export type Verdict =
  /** Takes it and gives its answer. */
  | { kind: 'fine' }
  /** Takes it or closes; nothing is asked of this connection from here on. */
  | { kind: 'open' }
  /** Closes; on MQTT 5 with one of these reason codes. */
  | { kind: 'close'; codes: readonly number[] }
  /** Closes without a word: the client said goodbye. */
  | { kind: 'goodbye' };

/** What the CONNACK said that the server takes. */
export interface Terms {
  receiveMaximum: number;
  topicAliasMaximum: number;
  maximumPacketSize: number;
}

/** An answer that a packet must get. */
export interface Answer {
  /** Command and packet identifier, such as `puback 7`. */
  key: string;
  /** The code of each filter; undefined where any will do. */
  codes?: (number | undefined)[];
}

export const FINE: Verdict = { kind: 'fine' };
export const OPEN: Verdict = { kind: 'open' };

/** Malformed packet or protocol error: the standard leaves the choice open in many places, and so do we. */
export const BROKEN: Verdict = close(0x81, 0x82);

export function close(...codes: number[]): Verdict {
  return { kind: 'close', codes };
}
