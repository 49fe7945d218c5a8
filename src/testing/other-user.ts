const NOBODY = 65_534;

/** Runs it with no more rights than any other user has, also when the tests are run as root. */
export async function asOtherUser<T>(run: () => Promise<T>): Promise<T> {
  const { geteuid, seteuid } = process;
  const own = geteuid?.();
  if (own === 0) seteuid?.(NOBODY);
  try {
    return await run();
  } finally {
    if (own === 0) seteuid?.(own);
  }
}
