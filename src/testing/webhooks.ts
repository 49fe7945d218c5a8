import { createHmac } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { HydrantError } from '../core/errors.ts';
import type { EventCheck } from '../sources/catalogue/event-check.ts';
import type { WebhookOptions } from '../sources/webhook/options.ts';
import { webhook } from '../sources/webhook/webhook.ts';
import { until, within } from './deadline.ts';
import { type SourceHarness, startSource } from './source-harness.ts';

export interface WebhookHarness extends AsyncDisposable {
  readonly source: SourceHarness<WebhookOptions>;
  /** Of the port, without a path; another one after a restart. */
  url(): Promise<string>;
  post(
    body: string | Uint8Array,
    headers?: Record<string, string>,
    path?: string,
  ): Promise<{ status: number; headers: Headers; json: Answered }>;
  /** How often something was refused, by reason. */
  refused(): Record<string, number>;
}

interface Answered {
  id?: string;
  topic?: string;
  repeated?: boolean;
  error?: { code: string; message: string; fix?: string };
}

export const JSON_HEADERS = { 'content-type': 'application/json' };

/** Runs the source on a free port of loopback. */
export async function startWebhook(options: object, check?: EventCheck, more?: { strict?: boolean }): Promise<WebhookHarness> {
  const source = await startSource(webhook, { listen: '127.0.0.1:0', ...options }, check, more);
  const listening = () => source.logged.findLast(({ message }) => message === 'taking webhooks')?.fields.url as string | undefined;
  const url = async (): Promise<string> => {
    await until(
      () => listening() !== undefined && source.source.status().up,
      () => `the source to listen\n${JSON.stringify(source.logged)}`,
    );
    return listening()!;
  };
  return {
    source,
    url,
    async post(body, headers = {}, path = '/') {
      const response = await fetch((await url()) + path, {
        method: 'POST',
        headers: { ...JSON_HEADERS, ...headers },
        body: Buffer.from(body),
      });
      return { status: response.status, headers: response.headers, json: (await response.json()) as Answered };
    },
    refused: () => source.source.status().refused,
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

/** The client under the source stores nothing for now, as at a full outbox. @returns what ends it */
export function refuseToStore({ source }: WebhookHarness, code: 'HYD_OUTBOX_FULL' | 'HYD_OUTBOX'): () => void {
  const { client } = source.source;
  const { publish } = client;
  client.publish = () => {
    const refusal = Promise.reject(new HydrantError(code, 'there is no room in /var/lib/secret-place'));
    refusal.catch(() => {});
    return { id: '', stored: refusal, acked: refusal };
  };
  return () => {
    client.publish = publish;
  };
}

/** What GitHub sends with a body. */
export function githubHeaders(secret: string, body: string | Uint8Array, delivery: string, event = 'push'): Record<string, string> {
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  return { 'x-hub-signature-256': `sha256=${signature}`, 'x-github-event': event, 'x-github-delivery': delivery };
}

/** What Standard Webhooks sends with a body. @param key without `whsec_`, in base64 */
export function standardHeaders(key: string, body: string, id: string, timeS: number): Record<string, string> {
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(`${id}.${timeS}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': String(timeS), 'webhook-signature': `v1,${signature}` };
}

/** A connection that says what it is told, byte for byte, and keeps what it hears. */
export class RawHttp implements Disposable {
  readonly socket: Socket;
  text = '';
  readonly ended: Promise<void>;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect(Number(port), hostname);
    this.socket.on('data', (chunk) => {
      this.text += chunk;
    });
    this.ended = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket.on('error', () => {});
  }

  write(text: string): void {
    this.socket.write(text);
  }

  /** Resolves once it has heard so many answers, or the other side has hung up. */
  async answers(count: number): Promise<number[]> {
    const statuses = (): number[] => [...this.text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
    await until(
      () => statuses().length >= count || this.socket.closed,
      () => `${count} answers, not ${JSON.stringify(this.text)}`,
    );
    return statuses();
  }

  /** Resolves once the other side has hung up. */
  hungUp(): Promise<void> {
    return within(this.ended, 20_000, 'the server to hang up');
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
