import type { Event } from '../wire/event.ts';

/** What a client did or had done to it, on `$hydrant/clients/<client id>/<kind>`. */
export type ClientEventKind = 'connected' | 'disconnected' | 'subscribed' | 'unsubscribed' | 'refused' | 'expired';

/** One client as the events name it. */
export interface ClientNames {
  clientId: string;
  user: string;
  /** Address and port. */
  remote?: string;
}

/** Tells about clients as events like any other: journalled, found, replayed. They are made by the server, so they are QoS 0: nobody waits for them. */
export class ClientEvents {
  readonly #publish: (event: Event) => void;

  constructor(publish: (event: Event) => void) {
    this.#publish = publish;
  }

  tell(kind: ClientEventKind, names: ClientNames, details: Record<string, unknown> = {}): void {
    const { clientId, user, remote } = names;
    this.#publish({
      topic: `$hydrant/clients/${topicLevel(clientId)}/${kind}`,
      payload: Buffer.from(JSON.stringify({ client: clientId, user, remote, ...details })),
      qos: 0,
      retain: false,
      contentType: 'application/json',
    });
  }
}

/** A client id as one topic level: `/`, `+`, `#`, `%` and what is no text are percent-encoded, and so is nothing at all. */
export function topicLevel(text: string): string {
  return text === '' ? '%' : text.replace(/[/+#%\0]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
