/**
 * Resolves or rejects with `promise`, or rejects after `timeoutMs` with what it was waiting for. A deadline
 * only ever makes a test fail: nothing waits for it to pass.
 * @param what said in the error: a text, or a function that looks at the last state
 */
export async function within<T>(promise: Promise<T>, timeoutMs: number, what: string | (() => string)): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms for ${typeof what === 'string' ? what : what()}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves once `isTrue` says so, asked again and again; rejects after `timeoutMs` with what it was waiting for. For what tells of itself by no event. */
export async function until(isTrue: () => boolean | Promise<boolean>, what: string | (() => string), timeoutMs = 20_000): Promise<void> {
  const lateMs = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > lateMs) throw new Error(`waited ${timeoutMs} ms for ${typeof what === 'string' ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
