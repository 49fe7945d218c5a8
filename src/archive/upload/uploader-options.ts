import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { ObjectStore } from '../../storage/store.ts';
import type { SealableJournal } from '../sealer-options.ts';
import type { Layout } from './local-groups.ts';

export interface UploaderOptions {
  /** Folder of the local archive. */
  localDir: string;
  remote: ObjectStore;
  /** What logs call it: its URL. */
  remoteName: string;
  /** Where the marks are kept, a SQLite file. */
  marksPath: string;
  journal: Pick<SealableJournal, 'id' | 'segments' | 'head'>;
  /** `daily`: only days go up, not the hours that they are put together of. */
  layout: Layout;
  /** How long local files stay once they are seen in the remote store, milliseconds. Default 0. */
  keepLocalMs?: number;
  /** Whether the remote store's oldest objects are removed by and by: those are not uploaded again. Default: they are not. */
  hasRetention?: () => boolean;
  /** Uploads at once. Default 4. */
  parallel?: number;
  /** Bounds of the time between two tries of one object, milliseconds. Default 1 s and 5 min. */
  minRetryMs?: number;
  maxRetryMs?: number;
  /** Told of each object that is gone from here. */
  onRemoved?: () => void;
  /** How often local files whose time has come are looked for. Default 60 s. */
  checkMs?: number;
  clock?: Clock;
  log?: Log;
}

export interface UploaderStatistics {
  /** Archive objects that wait or are under way, and their bytes with all that is beside them. */
  pending: number;
  pendingBytes: number;
  /** Age of the oldest of them, since it was sealed; 0 without any. */
  oldestPendingMs: number;
  uploaded: number;
  uploadedBytes: number;
  failures: number;
  /** Objects whose key holds other content in the remote store: they stay here. */
  conflicts: number;
  /** Objects removed here after they were seen there. */
  removed: number;
  /** Of the last failure; empty since a success. */
  lastError: string;
}
