/**
 * What the package offers to programs: the shape of an event, the port of the bus, topic rules, the archive's line format and the errors.
 */
export type { Bus, Capabilities, Delivery, PublishOptions, Receipt, StartAt, SubscribeOptions, Subscription } from './bus/bus.ts';
export { ERRORS, type ErrorCode, HydrantError } from './core/errors.ts';
export type { Event, EventProps, QoS, StoredEvent } from './wire/event.ts';
export { decodeLine, encodeLine } from './wire/line.ts';
export { assertFilter, assertTopic, matchFilter } from './wire/topic.ts';
