// Loaded into the server under test: SIGUSR2 makes it say what it holds once everything that is not needed is gone.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  process.on('SIGUSR2', async () => {
    for (let round = 0; round < 3; round++) {
      globalThis.gc();
      await nextTurn();
    }
    const { heapUsed, external, rss, arrayBuffers } = process.memoryUsage();
    console.log(
      JSON.stringify({
        event: 'memory',
        bytes: heapUsed + external,
        rss,
        resources: process.getActiveResourcesInfo(),
        extra: { heapUsed, external, arrayBuffers },
      }),
    );
  });
}
