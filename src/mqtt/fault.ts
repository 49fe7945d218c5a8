import { HydrantError } from '../core/errors.ts';

/**
 * Every way in which a peer can break the protocol: a stable reason (for counters and logs) and the MQTT 5 reason code that
 * answers it (MQTT 5 §2.4, §4.13). On MQTT 3.x the connection is closed without an answer.
 */
export const FAULTS = {
  /** Remaining length of more than four bytes. */
  'bad-length': 0x81,
  /** Longer than the limit in force; refused before its body arrives. */
  'packet-too-large': 0x95,
  /** Flags of the fixed header that the packet type does not have, QoS 3 included. */
  'bad-flags': 0x81,
  /** DUP on a QoS 0 PUBLISH [MQTT-3.3.1-2]. */
  'dup-qos-0': 0x81,
  /** Packet type that does not travel in this direction, or does not exist in this version. */
  'unexpected-packet': 0x82,
  /** The first packet is not a CONNECT [MQTT-3.1.0-1]. */
  'connect-expected': 0x82,
  /** A second CONNECT [MQTT-3.1.0-2]. */
  'second-connect': 0x82,
  /** No CONNECT within the time allowed. */
  'connect-timeout': 0x80,
  'bad-protocol-name': 0x84,
  'unsupported-version': 0x84,
  /** Reserved bit set, will QoS 3, or will QoS / retain without a will [MQTT-3.1.2-3, -11, -12, -13]. */
  'bad-connect-flags': 0x81,
  /** MQTT 3.x only [MQTT3-3.1.2-22]. */
  'password-without-username': 0x81,
  /** A field that runs past the end of its packet. */
  truncated: 0x81,
  /** Bytes after the last field of a packet. */
  'trailing-bytes': 0x81,
  /** Refused by the packet parser for another reason (reason codes, subscription options). */
  'malformed-packet': 0x81,
  /** A string that is not UTF-8 [MQTT-1.5.4-1]. */
  'bad-utf8': 0x81,
  /** U+0000 in a string [MQTT-1.5.4-2]. */
  'nul-character': 0x81,
  /** Packet identifier 0 where one is needed [MQTT-2.2.1-3]. */
  'packet-id-zero': 0x82,
  /** A topic of no characters, on MQTT 5 without a topic alias either [MQTT-4.7.3-1]. */
  'empty-topic': 0x82,
  /** SUBSCRIBE or UNSUBSCRIBE without a filter [MQTT-3.8.3-2] [MQTT-3.10.3-2]. */
  'empty-list': 0x82,
  /** No Local on a shared subscription [MQTT-3.8.3-4]. */
  'shared-no-local': 0x82,
  /** Property unknown or not allowed in this packet. */
  'property-not-allowed': 0x81,
  /** Property given twice that may be given once. */
  'duplicate-property': 0x82,
  /** Property with a value that the standard excludes. */
  'property-value': 0x82,
  /** Topic alias 0 [MQTT-3.3.2-8]. */
  'bad-topic-alias': 0x94,
  /** A websocket text message [MQTT-6.0.0-1]. */
  'websocket-text': 0x81,
  /** Nothing received for 1.5 times the keep-alive [MQTT-3.1.2-22] [MQTT3-3.1.2-24]. */
  'keep-alive-timeout': 0x8d,
  /** Bytes waited for the peer and it took none for the time allowed. */
  stalled: 0x80,
} as const satisfies Record<string, number>;

export type FaultReason = keyof typeof FAULTS;

/** What a peer did wrong: HYD_PROTOCOL with a stable `reason` and the MQTT 5 `reasonCode`. */
export class PacketFault extends HydrantError {
  readonly reason: FaultReason;
  readonly reasonCode: number;

  constructor(reason: FaultReason, message: string, cause?: unknown) {
    super('HYD_PROTOCOL', message, { cause });
    this.name = 'PacketFault';
    this.reason = reason;
    this.reasonCode = FAULTS[reason];
  }
}
