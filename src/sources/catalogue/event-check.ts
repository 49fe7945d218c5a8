/**
 * Why an event does not match its schema, or undefined when it does.
 * @param data the payload as parsed; without it `payload` is parsed
 */
export type EventCheck = (schema: string, data: unknown, payload: Uint8Array | string) => string | undefined;
