import { errorText, HydrantError } from '../../core/errors.ts';
import { silentLog } from '../../core/log.ts';
import type { SourceContext, SourceKind, TestStep } from '../source.ts';

/**
 * The steps of `hydrant source test`: opens the source beside one that may run with the same folder, with a cursor that starts at nothing. What throws is
 * the last step.
 */
export async function* testSource<Options>(
  { kind, options, name }: { kind: SourceKind<Options>; options: Options; name: string },
  signal: AbortSignal,
): AsyncGenerator<TestStep> {
  try {
    const source = await kind.open(options, createTestContext(name));
    yield* source.test(signal);
  } catch (error) {
    if (signal.aborted) return;
    const fix = error instanceof HydrantError ? error.fix : 'Look at the options again.';
    yield { ok: false, what: `the source ${name}`, why: errorText(error), fix };
  }
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
    flushed: async () => {},
    gap: async () => {},
    refused: () => {},
    up: () => {},
    seen: () => {},
    now: Date.now,
    random: Math.random,
  };
}
