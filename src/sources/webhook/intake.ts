import { crashPoint } from '../../core/crash-point.ts';
import { type ErrorCode, errorText, HydrantError } from '../../core/errors.ts';
import { eventId } from '../event-id.ts';
import type { SourceContext } from '../source.ts';
import type { Answer } from './answer.ts';
import type { Deliveries } from './deliveries.ts';
import type { Hook } from './hook.ts';
import type { Delivery } from './preset.ts';

const REASONS: Partial<Record<ErrorCode, string>> = {
  HYD_OUTBOX_FULL: 'the outbox is full',
  HYD_SCHEMA: 'it does not match its schema',
};

/** Publishes what came, each delivery once. */
export class Intake {
  readonly #context: SourceContext;
  readonly #deliveries: Deliveries;
  /** Being stored, by id: a repeat that comes meanwhile has the same outcome. */
  readonly #storing = new Map<string, Promise<Answer>>();

  constructor(context: SourceContext, deliveries: Deliveries) {
    this.#context = context;
    this.#deliveries = deliveries;
  }

  /** Resolves once the event is on disk. @throws what `publish` and `stored` throw */
  async take(hook: Hook, topic: string, delivery: Delivery): Promise<Answer> {
    const { repeatId, timeMs = 0 } = delivery;
    if (repeatId === undefined) return this.#store(topic, delivery, undefined);
    const id = delivery.eventId ?? eventId(timeMs, 'webhook', hook.preset.name, hook.path, repeatId);
    if (this.#deliveries.has(id)) return repeated(id);
    const storing = this.#storing.get(id);
    if (storing) return storing.then(() => repeated(id));
    const stored = this.#storeOnce(topic, delivery, id).finally(() => this.#storing.delete(id));
    this.#storing.set(id, stored);
    return stored;
  }

  async #storeOnce(topic: string, delivery: Delivery, id: string): Promise<Answer> {
    const answer = await this.#store(topic, delivery, id);
    try {
      await this.#deliveries.add(id);
    } catch (error) {
      // The event is on disk, so the sender need not repeat it.
      this.#context.log('warn', 'a delivery could not be noted: a repeat of it would be an event again', { error: errorText(error) });
    }
    crashPoint('webhook.before-answer');
    return answer;
  }

  async #store(topic: string, delivery: Delivery, id: string | undefined): Promise<Answer> {
    try {
      return await this.#publish(topic, delivery, id);
    } catch (error) {
      const code = error instanceof HydrantError ? error.code : 'HYD_INTERNAL';
      // What is larger than the bus takes is counted where that is found out.
      if (code !== 'HYD_TOO_LARGE')
        this.#context.refused(REASONS[code] ?? `it cannot be stored (${code})`, {
          topic,
          error: errorText(error),
        });
      throw error;
    }
  }

  async #publish(topic: string, { payload, contentType, data, schema, timeMs }: Delivery, id: string | undefined): Promise<Answer> {
    const published = await this.#context.publish({
      topic,
      payload,
      contentType,
      ...(data !== undefined && { data }),
      ...(schema !== undefined && { schema }),
      ...(id !== undefined && { id }),
      ...(timeMs !== undefined && { time: new Date(timeMs).toISOString() }),
    });
    await published.stored;
    if (timeMs !== undefined) this.#context.seen(this.#context.now() - timeMs);
    return { status: 202, body: { id: published.id, topic } };
  }
}

function repeated(id: string): Answer {
  return { status: 200, body: { id, repeated: true } };
}
