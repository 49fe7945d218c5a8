const RESERVED = /^\$(?:SYS|hydrant|history|share)(?:\/|$)/;

/** Topics that only the server publishes to. */
export function isReserved(topic: string): boolean {
  return RESERVED.test(topic);
}
