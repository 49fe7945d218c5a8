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
