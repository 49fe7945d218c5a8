import { createHash } from 'node:crypto';
import { HydrantError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ObjectBody, ObjectStore } from '../../storage/store.ts';
import { decodeManifest, encodeManifest, type Manifest } from '../../wire/manifest.ts';
import { QUARANTINE_PREFIX } from '../keys.ts';
import { unpackObject } from '../read/unpack-object.ts';
import { sha256Of } from '../sha256.ts';

const ONCE = { ifNoneMatch: true } as const;

/** Puts the files of an archive object where each may already be, left by a crash or by somebody else. */
export class Publisher {
  readonly #store: ObjectStore;
  readonly #log: Log;
  /** Objects with other content that were moved away from a key. */
  quarantined = 0;

  constructor(store: ObjectStore, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  /** An object there with the same lines is success; one with other lines is kept below `quarantine/` and raises an alarm. */
  async object(key: string, body: ObjectBody, expected: Pick<Manifest, 'sha256' | 'rawSha256' | 'codec'>): Promise<void> {
    await this.#put(key, body, async () => {
      if ((await sha256Of(this.#store.stream(key))) === expected.sha256) return 'same';
      const raw = await sha256Of(unpackObject(this.#store, key, expected.codec)).catch((error) => {
        if (error instanceof HydrantError && error.code === 'HYD_OBJECT_DAMAGED') return undefined;
        throw error;
      });
      return raw === expected.rawSha256 ? 'repacked' : 'other';
    });
  }

  /** A manifest that describes the same object is kept. */
  async manifest(key: string, manifest: Manifest): Promise<void> {
    await this.#put(key, encodeManifest(manifest), async () => {
      const bytes = await this.#store.get(key);
      try {
        return describes(decodeManifest(bytes, key), manifest) ? 'same' : 'other';
      } catch {
        return 'other';
      }
    });
  }

  /** What can be made again from the lines: an index. Another one is replaced. */
  async derived(key: string, body: ObjectBody): Promise<void> {
    await this.#put(key, body, async () => 'repacked');
  }

  /** Damaged lines: the same bytes are success, others are kept. */
  async evidence(key: string, body: Uint8Array): Promise<void> {
    await this.#put(key, body, async () => ((await this.#store.get(key)).equals(body) ? 'same' : 'other'));
  }

  async #put(key: string, body: ObjectBody, compare: () => Promise<'same' | 'repacked' | 'other'>): Promise<void> {
    for (;;) {
      try {
        await this.#store.put(key, body, ONCE);
        return;
      } catch (error) {
        if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_EXISTS') throw error;
        if ((await this.#store.head(key)) === undefined) throw error;
      }
      const found = await compare();
      if (found === 'same') return;
      if (found === 'other') await this.#quarantine(key);
      await this.#store.delete(key);
    }
  }

  async #quarantine(key: string): Promise<void> {
    const bytes = await this.#store.get(key);
    const kept = `${QUARANTINE_PREFIX}${key}.${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;
    await this.#store.put(kept, bytes, ONCE).catch((error) => {
      // The name says the content, so what is there is the same.
      if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_EXISTS') throw error;
    });
    this.quarantined++;
    this.#log('error', 'other content was found where an archive object belongs; it was set aside, nothing was overwritten', { key, kept });
  }
}

function describes(found: Manifest, manifest: Manifest): boolean {
  const shape = ({ sealedAt: _, ...rest }: Manifest) => JSON.stringify(rest);
  return shape(found) === shape(manifest);
}
