import type { IncomingMessage } from 'node:http';
import { HydrantError } from '../../core/errors.ts';
import { type Answer, errorAnswer } from './answer.ts';
import { type Hook, topicFor } from './hook.ts';
import type { Delivery, RequestHead } from './preset.ts';
import { RequestBodies } from './request-body.ts';

/** Of a request that is not taken. */
export interface Refusal {
  /** Undefined when it asked for a path that none has. */
  hook: Hook | undefined;
  /** Address of the other end; also of one that has hung up since. */
  from: string | undefined;
}

export interface ReceiverParts {
  /** By path. */
  hooks: ReadonlyMap<string, Hook>;
  /** What is proven and read. @throws what keeps it from being stored */
  take(hook: Hook, topic: string, delivery: Delivery): Promise<Answer>;
  /** A request is not what the hook takes, and why. */
  onRefused(error: unknown, request: IncomingMessage, refusal: Refusal): void;
  now(): number;
}

/** What becomes of a request: whose it is, whether that is shown, what it says. */
export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #bodies = new RequestBodies();

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  async answer(request: IncomingMessage): Promise<Answer> {
    const url = request.url ?? '/';
    const from = request.socket.remoteAddress;
    const at = url.indexOf('?');
    const hook = this.#parts.hooks.get(at < 0 ? url : url.slice(0, at));
    try {
      if (!hook) throw new HydrantError('HYD_NOT_FOUND', 'there is no hook on this path', { fix: 'Post to the path of a hook.' });
      if (request.method === 'GET' || request.method === 'HEAD') return describe(hook);
      if (request.method !== 'POST') return notAllowed();
      using held = new DisposableStack();
      const delivery = await this.#receive(hook, request, at < 0 ? '' : url.slice(at), held);
      return await this.#take(hook, delivery);
    } catch (error) {
      this.#parts.onRefused(error, request, { hook, from });
      return errorAnswer(error);
    }
  }

  async #take(hook: Hook, delivery: Delivery): Promise<Answer> {
    try {
      return await this.#parts.take(hook, topicFor(hook, delivery), delivery);
    } catch (error) {
      return errorAnswer(error);
    }
  }

  async #receive(hook: Hook, request: IncomingMessage, search: string, held: DisposableStack): Promise<Delivery> {
    const { preset, secrets, maxBodyBytes } = hook;
    const { headers } = request;
    const contentType = (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
    const head: RequestHead = { headers, query: new URLSearchParams(search), contentType };
    // Programs send webhooks, and none of them says where a page came from.
    if (headers.origin !== undefined) throw new HydrantError('HYD_REFUSED', 'a browser sent it', { fix: 'Send it from a program.' });
    const proof = secrets.length === 0 ? undefined : preset.prove(head, hook, this.#parts.now());
    if (typeof proof === 'string') throw unproven(proof);
    if ((headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity')
      throw new HydrantError('HYD_UNSUPPORTED', 'a body is compressed', { fix: 'Send it as it is.' });
    if (!preset.takes(contentType))
      throw new HydrantError('HYD_UNSUPPORTED', 'a body is of another content type', { fix: 'Send application/json.' });
    const { bytes: body } = held.use(await this.#bodies.read(request, maxBodyBytes));
    const verdict = proof?.(body);
    if (verdict !== undefined) throw unproven(verdict);
    return preset.read({ ...head, body }, hook);
  }
}

function unproven(why: string): HydrantError {
  return new HydrantError('HYD_LOGIN', why, {
    fix: 'Give the sender the secret that stands here, and this machine and the sender the right time.',
  });
}

/** For people and probes. */
function describe({ preset, path }: Hook): Answer {
  return { status: 200, headers: { allow: ALLOWED }, body: { status: 'ok', takes: `POST ${path}`, preset: preset.name } };
}

const ALLOWED = 'GET, HEAD, POST';

function notAllowed(): Answer {
  const error = { code: 'HYD_USAGE', message: 'a hook takes POST', fix: 'Let the sender post.' };
  return { status: 405, headers: { allow: ALLOWED }, body: { error } };
}
