/** An event of the run: its channel, which life of the client published it, and its number in that life. */
export interface NumberedEvent {
  channel: string;
  life: number;
  number: number;
}

export function textOf({ channel, life, number }: NumberedEvent): string {
  return `${channel} ${life} ${number}`;
}

/** Reads the start of a payload; what follows fills it up. */
export function parseText(payload: string): NumberedEvent {
  const [channel, life, number] = payload.split(' ', 3);
  return { channel: channel!, life: Number(life), number: Number(number) };
}

/** Whether one was published before another of its channel. */
export function isBefore(a: NumberedEvent, b: NumberedEvent): boolean {
  return a.life < b.life || (a.life === b.life && a.number < b.number);
}
