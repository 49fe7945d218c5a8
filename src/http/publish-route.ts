import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isReserved } from '../broker/reserved-topics.ts';
import { HydrantError } from '../core/errors.ts';
import { authenticate, type Caller, peerAddress, refusal } from './authentication.ts';
import type { HttpOptions } from './http-server.ts';
import { readPublishRequest } from './publish-request.ts';

/** `POST /t/{topic}`. Who it is is asked before the body is read. */
export function addPublish(app: FastifyInstance, options: HttpOptions): void {
  const sentTypes = new WeakMap<IncomingMessage, string>();
  const callers = new WeakMap<IncomingMessage, Caller>();
  const onRequest = async ({ raw }: FastifyRequest): Promise<void> => {
    callers.set(raw, await authenticate(options, raw));
    // The framework refuses a content type that is none; here it is a label like any other.
    sentTypes.set(raw, raw.headers['content-type'] ?? '');
    raw.headers['content-type'] = 'application/octet-stream';
  };
  app.post('/t/*', { onRequest }, async ({ raw, body }) => {
    const headers = { ...raw.headers, 'content-type': sentTypes.get(raw) };
    const event = readPublishRequest(raw.url!, headers, (body as Buffer | undefined) ?? Buffer.alloc(0));
    const { topic } = event;
    const caller = callers.get(raw)!;
    const { user } = caller.identity;
    const refuse = (reason: string, error: HydrantError): never => {
      options.onRefused({ user, address: peerAddress(raw) }, reason, topic);
      throw error;
    };
    if (isReserved(topic)) refuse('reserved-topic', new HydrantError('HYD_REFUSED', `only the server publishes to ${topic}`));
    if (!caller.permissions.mayPublish(topic)) refuse('not-allowed', refusal(caller, `publish to ${topic}`));
    if (user !== 'anonymous') event.source = user;
    const { id, seq } = await options.bus.publish(event);
    return { id, seq, topic };
  });
}
