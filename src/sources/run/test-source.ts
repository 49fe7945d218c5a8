import { errorFix, errorText, HydrantError } from '../../core/errors.ts';
import { silentLog } from '../../core/log.ts';
import type { SourceContext, SourceKind, TestStep } from '../source.ts';

/**
 * The steps of `hydrant source test`: opens the source beside one that may run with the same folder, with a cursor that starts at nothing. What throws is
 * the last step; a source that waits for events returns when it is aborted.
 */
export async function* testSource<Options>(
  { kind, options, name }: { kind: SourceKind<Options>; options: Options; name: string },
  signal: AbortSignal,
): AsyncGenerator<TestStep> {
  try {
    const source = await kind.open(options, createTestContext(name));
    for await (const step of source.test(signal)) yield 'ok' in step && !step.ok ? failed(step, signal) : step;
  } catch (error) {
    const fix = errorFix(error) ?? 'Look at the options again.';
    yield failed({ ok: false, what: `the source ${name}`, why: errorText(error), fix }, signal);
  }
}

/** What the end of the time broke off had no answer until then. */
function failed(step: Extract<TestStep, { ok: false }>, signal: AbortSignal): TestStep {
  if (!signal.aborted) return step;
  return {
    ...step,
    why: 'there was no answer in time',
    fix: 'Check that it is the right port and that nothing between drops what is sent; --wait gives more time.',
  };
}

/** Takes nothing, keeps nothing. */
function createTestContext(name: string): SourceContext {
  const values = new Map<string, unknown>();
  const refuse = async (): Promise<never> => {
    throw new HydrantError('HYD_INTERNAL', 'a test of a source publishes nothing');
  };
  return {
    name,
    get folder(): string {
      throw new HydrantError('HYD_INTERNAL', 'a test of a source keeps nothing');
    },
    cursor: {
      get: <T>(key: string) => values.get(key) as T | undefined,
      set: (key, value) => void values.set(key, value),
      saved: async () => {},
    },
    log: silentLog,
    publish: refuse,
    stored: async () => {},
    flushed: async () => {},
    gap: async () => {},
    refused: () => {},
    up: () => {},
    seen: () => {},
    now: Date.now,
    random: Math.random,
  };
}
