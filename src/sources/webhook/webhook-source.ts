import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { errorText, HydrantError } from '../../core/errors.ts';
import type { Source, SourceContext, TestStep } from '../source.ts';
import { sendAnswer } from './answer.ts';
import { Deliveries } from './deliveries.ts';
import { type Hook, readHooks } from './hook.ts';
import { Intake } from './intake.ts';
import type { WebhookOptions } from './options.ts';
import { openPort } from './port.ts';
import { Receiver, type ReceiverParts, type Refusal } from './receiver.ts';

const SHOWN = 3;
const MAX_STEPS = 100;
const SHOWN_PATH = 200;

export class WebhookSource implements Source {
  readonly #options: WebhookOptions;
  readonly #context: SourceContext;
  readonly #hooks: ReadonlyMap<string, Hook>;

  constructor(options: WebhookOptions, context: SourceContext) {
    this.#options = options;
    this.#context = context;
    this.#hooks = readHooks(options);
  }

  async run(signal: AbortSignal): Promise<void> {
    const context = this.#context;
    await using deliveries = await Deliveries.open(join(context.folder, 'deliveries'));
    // A crash may have caught these between the outbox and the note of the delivery.
    const unnoted = (context.unsent ?? []).filter((id) => !deliveries.has(id));
    await Promise.allSettled(unnoted.map((id) => deliveries.add(id)));
    const intake = new Intake(context, deliveries);
    await using port = await this.#open({
      take: (hook, topic, delivery) => intake.take(hook, topic, delivery),
      onRefused: (error, request, refusal) => this.#note(error, request, refusal),
    });
    const hooks = [...this.#hooks.values()].map(({ path, preset }) => `${preset.name} ${path}`);
    context.log('info', 'taking webhooks', { url: port.url, hooks });
    context.up();
    if (!signal.aborted) await once(signal, 'abort');
  }

  /** Takes nothing: senders are asked to try again later. */
  async *test(signal: AbortSignal): AsyncGenerator<TestStep> {
    const steps: TestStep[] = [];
    let wake = (): void => {};
    const push = (step: TestStep): void => {
      if (steps.length < MAX_STEPS) steps.push(step);
      wake();
    };
    await using port = await this.#open({
      take: async (_, topic, { payload, schema }) => {
        push({ event: { topic, payload, ...(schema !== undefined && { schema }) } });
        throw new HydrantError('HYD_BUSY', 'this is a test: nothing is taken');
      },
      onRefused: (error, request) => {
        if (error instanceof HydrantError)
          push({ ok: false, what: `${request.method} ${pathOf(request)}`, why: errorText(error), fix: error.fix });
      },
    });
    for (const { path, preset, topic } of this.#hooks.values())
      yield { ok: true, what: `${port.url}${path} takes ${preset.name}, on ${topic === '' ? 'the topics of Gerrit' : topic}` };
    signal.addEventListener('abort', () => wake(), { once: true });
    for (let events = 0; events < SHOWN && !signal.aborted; ) {
      const step = steps.shift();
      if (!step) await new Promise<void>((resolve) => (wake = resolve));
      else {
        if ('event' in step) events++;
        yield step;
      }
    }
  }

  #open(parts: Pick<ReceiverParts, 'take' | 'onRefused'>) {
    const context = this.#context;
    const receiver = new Receiver({ ...parts, hooks: this.#hooks, now: context.now });
    return openPort(
      this.#options,
      (request, response) => {
        response.on('error', () => {});
        void receiver.answer(request).then((answer) => sendAnswer(request, response, answer));
      },
      (why, from, error) => context.refused(why, { from, ...(error !== undefined && { error: errorText(error) }) }),
    );
  }

  #note(error: unknown, request: IncomingMessage, { hook, from }: Refusal): void {
    const path = hook?.path ?? pathOf(request).slice(0, SHOWN_PATH);
    const about = { from, path, preset: hook?.preset.name };
    if (error instanceof HydrantError) return this.#context.refused(error.message, about);
    this.#context.refused('a request could not be read', { ...about, error: errorText(error) });
  }
}

/** Without what stands behind it, which may be a secret. */
function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0]!;
}
