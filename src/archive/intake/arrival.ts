import type { Delivery } from '../../bus/bus.ts';
import type { JournalRecord } from '../../journal/record.ts';
import type { Event, EventProps, QoS } from '../../wire/event.ts';

/** An event on its way from a bus into the journal, and the delivery that brought it. */
export class Arrival implements JournalRecord {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly id: string | undefined;
  readonly contentType: string | undefined;
  readonly source: string | undefined;
  readonly dup: boolean;
  readonly props: EventProps | undefined;
  readonly inbound: string | undefined;
  /** Undefined for what the intake says itself. */
  readonly delivery: Delivery | undefined;
  seq = 0;
  ts = '';
  arrivalMs = 0;

  constructor(event: Event, delivery?: Delivery) {
    this.topic = event.topic;
    this.payload = event.payload;
    this.qos = event.qos;
    this.retain = event.retain;
    this.id = event.id;
    this.contentType = event.contentType;
    this.source = event.source;
    this.props = event.props;
    this.inbound = event.inbound;
    // What the inbox watches over is here for the first time, however often it was sent.
    this.dup = event.inbound === undefined && (event.dup === true || delivery?.redelivered === true);
    this.delivery = delivery;
  }
}
