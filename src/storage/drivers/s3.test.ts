import { createHexId } from '../../core/id.ts';
import { shareRadosgw } from '../../testing/radosgw.ts';
import { storeContract } from '../../testing/store-contract.ts';
import { createS3Store } from './s3.ts';

const radosgw = await shareRadosgw();

storeContract('s3', async () => {
  const settings = radosgw.settings({ partBytes: '5MiB' });
  const store = createS3Store({ bucket: 'contract', prefix: `${createHexId(4)}/`, settings, makeBucket: true, unfinishedMs: 0 });
  return { store, [Symbol.asyncDispose]: () => store.close() };
});
