import { HydrantError } from '../core/errors.ts';
import { parseJson } from '../core/objects.ts';
import type { StoredEvent } from '../wire/event.ts';
import { isReplayed } from '../wire/replay-mark.ts';

/** A `--where` expression, ready to be asked. */
export interface Where {
  matches(event: StoredEvent): boolean;
  /** Events on which the expression could not be evaluated (a field they do not have); they count as no match. */
  readonly failed: number;
  /** Why, on the first of them. */
  readonly firstFailure: string | undefined;
}

/** What an expression may name. The reference page prints this table. */
export const WHERE_VARIABLES = {
  topic: ['string', 'the topic'],
  levels: ['list<string>', 'its levels: `levels[0] == "plant"`'],
  payload: ['string', 'the payload as UTF-8 text'],
  json: ['dyn', 'the payload decoded from JSON, null when it is not JSON'],
  qos: ['int', '0, 1 or 2'],
  retain: ['bool', 'whether it was published with the retain flag'],
  seq: ['int', 'its sequence in the journal, 0 when it has none'],
  ts: ['string', 'arrival time as written, RFC 3339'],
  time: ['google.protobuf.Timestamp', 'arrival time: `time > timestamp("2026-11-21T10:00:00Z")`'],
  source: ['string', 'who published it (client id), empty when unknown'],
  contentType: ['string', 'content type, empty when none was sent'],
  props: ['map<string, dyn>', 'time, format, expiry, reply, correlation, user: what the publisher attached'],
  replayed: ['bool', 'whether it was published by `hydrant replay` over MQTT 5, which marks it'],
} as const;

/**
 * Compiles a CEL expression over one event.
 * @throws HYD_EXPRESSION for a mistake in the expression, with the place
 */
export async function compileWhere(expression: string): Promise<Where> {
  const { Environment } = await import('@marcbachmann/cel-js');
  const environment = new Environment({ unlistedVariablesAreDyn: false, homogeneousAggregateLiterals: false, enableOptionalTypes: true });
  for (const [name, [type]] of Object.entries(WHERE_VARIABLES)) environment.registerVariable(name, type);
  // Numbers from JSON are doubles; people write `json.n + 1`.
  for (const [operator, apply] of Object.entries(ARITHMETIC)) {
    environment.registerOperator(`double ${operator} int`, (a: number, b: bigint) => apply(a, Number(b)));
    environment.registerOperator(`int ${operator} double: double`, (a: bigint, b: number) => apply(Number(a), b));
  }
  environment.registerOperator('double % double', ARITHMETIC['%']!);
  let evaluate: ReturnType<typeof environment.parse>;
  try {
    evaluate = environment.parse(expression);
    const checked = evaluate.check();
    if (!checked.valid) throw checked.error;
    if (checked.type !== 'bool' && checked.type !== 'dyn') throw fault(expression, `it gives ${checked.type}, not true or false`, 0);
  } catch (error) {
    if (error instanceof HydrantError) throw error;
    const { summary, message, range } = error as { summary?: string; message: string; range?: { start: number } };
    throw fault(expression, summary ?? message, range?.start ?? 0, error);
  }
  let failed = 0;
  let firstFailure: string | undefined;
  const context = new WhereContext();
  return {
    matches(event) {
      try {
        context.set(event);
        return evaluate(context as unknown as Record<string, unknown>) === true;
      } catch (error) {
        failed++;
        firstFailure ??= (error as { summary?: string }).summary ?? String(error);
        return false;
      }
    },
    get failed() {
      return failed;
    },
    get firstFailure() {
      return firstFailure;
    },
  };
}

const ARITHMETIC: Record<string, (a: number, b: number) => number> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};

/** What an expression sees of one event, each name worked out when it is first asked for; reused from event to event. */
class WhereContext {
  #event!: StoredEvent;
  #text: string | undefined;
  #json: unknown;

  set(event: StoredEvent): void {
    this.#event = event;
    this.#text = this.#json = undefined;
  }

  get topic(): string {
    return this.#event.topic;
  }

  get levels(): string[] {
    return this.#event.topic.split('/');
  }

  get payload(): string {
    if (this.#text !== undefined) return this.#text;
    const { payload } = this.#event;
    const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    this.#text = bytes.toString();
    return this.#text;
  }

  get json(): unknown {
    if (this.#json === undefined) this.#json = parseJson(this.payload) ?? null;
    return this.#json;
  }

  get qos(): bigint {
    return BigInt(this.#event.qos);
  }

  get retain(): boolean {
    return this.#event.retain;
  }

  get seq(): bigint {
    return BigInt(this.#event.seq);
  }

  get ts(): string {
    return this.#event.ts;
  }

  get time(): Date {
    return new Date(this.#event.ts);
  }

  get source(): string {
    return this.#event.source ?? '';
  }

  get contentType(): string {
    return this.#event.contentType ?? '';
  }

  get props(): object {
    return this.#event.props ?? {};
  }

  get replayed(): boolean {
    return isReplayed(this.#event);
  }
}

function fault(expression: string, what: string, at: number, cause?: unknown): HydrantError {
  const before = expression.slice(0, at).split('\n');
  const line = expression.split('\n')[before.length - 1]!;
  const column = before.at(-1)!.length;
  return new HydrantError('HYD_EXPRESSION', `--where: ${what}\n    ${line}\n    ${' '.repeat(column)}^`, { cause });
}
