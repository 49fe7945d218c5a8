/** Whether a promise resolved before the time was over; it goes on either way. Rejects when it does. */
export async function settlesWithin(promise: Promise<unknown>, timeMs: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), Math.max(0, timeMs));
  try {
    return await Promise.race([promise.then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
