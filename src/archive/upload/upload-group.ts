import { crashPoint } from '../../core/crash-point.ts';
import { HydrantError } from '../../core/errors.ts';
import type { ObjectBody, ObjectInfo, ObjectStore, ReadableStore } from '../../storage/store.ts';
import { decodeManifest, type Manifest } from '../../wire/manifest.ts';
import { type ArchiveGroup, listGroups } from '../archive-groups.ts';
import { HIVE_PREFIX, parseArchiveKey, QUARANTINE_PREFIX } from '../keys.ts';
import type { SeqPart } from '../sealer-options.ts';
import { sha256Of } from '../sha256.ts';
import type { Mark, StoredFile } from './upload-marks.ts';

export interface UploadContext {
  local: ReadableStore;
  /** The file of a local key, so that it is read from the disk as it is sent. */
  localPath: (key: string) => string;
  remote: ObjectStore;
}

export interface Uploaded {
  files: StoredFile[];
  parts: SeqPart[];
  /** Of what was sent, not of what was there already. */
  bytes: number;
}

const ONCE = { ifNoneMatch: true } as const;

/**
 * Sends the files of one archive object, its manifest last, each on the condition that its key is free, and then looks at each in the
 * remote store. What is there with the same content is success. Again after a crash is fine. Undefined when the object is neither here
 * nor there: a crash has left its manifest alone, or it is being put together.
 * @throws HYD_OBJECT_EXISTS when the key holds other content: it stays, ours is also put below `quarantine/`; HYD_OBJECT_DAMAGED;
 * HYD_MANIFEST; HYD_STORE (retryable)
 */
export async function uploadGroup(group: ArchiveGroup, context: UploadContext): Promise<Uploaded | undefined> {
  return await new GroupUpload(group, context).run();
}

/** Whether the remote store still has what a mark says: each file, or an object that was put together of it and others. */
export async function isStored(remote: ReadableStore, { base, files }: Mark): Promise<boolean> {
  for (const { key, bytes } of files) if ((await remote.head(key))?.bytes !== bytes) return await isJoined(remote, base);
  return true;
}

async function isJoined(remote: ReadableStore, base: string): Promise<boolean> {
  const own = parseArchiveKey(`${base}.manifest.json`);
  if (own?.layout !== 'hive') return false;
  const hour = base.slice(0, base.lastIndexOf('/') + 1);
  for await (const other of listGroups(remote, `${hour}${own.journal}-${own.epoch}-`)) {
    const isWhole = other.manifest !== undefined && other.objects.length > 0;
    if (other.layout !== 'hive' || other.base === base || !isWhole) continue;
    if (other.first <= own.first && other.last >= own.last) return true;
  }
  return false;
}

/** Whether retention may have removed it: the oldest that the remote store has is younger. */
export async function isOutlived(remote: ReadableStore, base: string): Promise<boolean> {
  const own = parseArchiveKey(`${base}.manifest.json`);
  if (!own) return false;
  for await (const { key } of remote.list(own.layout === 'hive' ? HIVE_PREFIX : '')) {
    const oldest = parseArchiveKey(key);
    if (oldest?.layout === 'hive' && own.layout === 'hive' && oldest.journal === own.journal) return oldest.first > own.last;
    if (oldest?.layout === 'daily' && own.layout === 'daily') return oldest.fromMs > own.fromMs;
  }
  return false;
}

class GroupUpload {
  readonly #group: ArchiveGroup;
  readonly #context: UploadContext;
  readonly #stored: { key: string; bytes?: number }[] = [];
  #bytes = 0;

  constructor(group: ArchiveGroup, context: UploadContext) {
    this.#group = group;
    this.#context = context;
  }

  async run(): Promise<Uploaded | undefined> {
    const { manifest: manifestFile, damaged, index } = this.#group;
    const bytes = manifestFile && (await this.#context.local.get(manifestFile.key));
    const manifest = bytes && decodeManifest(bytes, manifestFile.key);
    const found =
      manifest && manifest.object !== null ? await this.#object(manifest, keyBeside(manifestFile!.key, manifest.object)) : 'none';
    if (found === 'missing') return undefined;
    if (damaged) await this.#file(damaged, () => this.#isSame(damaged.key));
    // An index that is there already was made of the same lines.
    if (index && found !== 'repacked') await this.#file(index, async () => true);
    if (manifestFile && found !== 'repacked') {
      await this.#file(manifestFile, async () => isSameObject(await this.#remoteManifest(manifestFile.key), manifest!));
      crashPoint('upload.manifest');
    }
    const files = await this.#verify();
    crashPoint('upload.verified');
    return { files, parts: manifest?.parts.map(seqPart) ?? [], bytes: this.#bytes };
  }

  async #object(manifest: Manifest, key: string): Promise<'sent' | 'repacked' | 'missing'> {
    const { remote, localPath } = this.#context;
    const local = this.#group.objects.find((object) => object.key === key);
    if (!local) {
      // A crash in the middle of the local removal, of which the mark was lost.
      const isThere = (await remote.head(key))?.bytes === manifest.bytes;
      this.#stored.push({ key, bytes: manifest.bytes });
      return isThere ? 'sent' : 'missing';
    }
    if (local.bytes !== manifest.bytes) {
      throw new HydrantError('HYD_OBJECT_DAMAGED', `${key} has ${local.bytes} bytes here, its manifest says ${manifest.bytes}`);
    }
    const body = { path: localPath(key) };
    if (await this.#put(key, body, local.bytes)) {
      this.#stored.push({ key, bytes: manifest.bytes });
      return 'sent';
    }
    const found = await sha256Of(remote.stream(key));
    if (found === manifest.sha256) {
      this.#stored.push({ key, bytes: manifest.bytes });
      return 'sent';
    }
    const theirs = await this.#remoteManifest(this.#group.manifest!.key);
    if (theirs?.sha256 !== found || !hasSameLines(theirs, manifest)) return await this.#refuse(key, body, manifest.sha256);
    this.#stored.push({ key, bytes: theirs.bytes }, { key: this.#group.manifest!.key });
    return 'repacked';
  }

  async #file({ key, bytes }: ObjectInfo, isSame: () => Promise<boolean>): Promise<void> {
    const isSent = await this.#put(key, { path: this.#context.localPath(key) }, bytes);
    if (!isSent && !(await isSame())) throw taken(key);
    this.#stored.push({ key, bytes: isSent ? bytes : undefined });
  }

  /** False when the key is taken. */
  async #put(key: string, body: ObjectBody, bytes: number): Promise<boolean> {
    try {
      await this.#context.remote.put(key, body, ONCE);
    } catch (error) {
      if (isTaken(error)) return false;
      throw error;
    }
    this.#bytes += bytes;
    crashPoint('upload.put');
    return true;
  }

  async #refuse(key: string, body: ObjectBody, sha256: string): Promise<never> {
    await this.#context.remote.put(`${QUARANTINE_PREFIX}${key}.${sha256.slice(0, 16)}`, body, ONCE).catch((error) => {
      // The name says the content, so what is there is the same.
      if (!isTaken(error)) throw error;
    });
    throw taken(key);
  }

  async #verify(): Promise<StoredFile[]> {
    const files: StoredFile[] = [];
    for (const { key, bytes } of this.#stored) {
      const info = await this.#context.remote.head(key);
      if (info && (bytes === undefined || info.bytes === bytes)) {
        files.push({ key, bytes: info.bytes });
        continue;
      }
      const seen = info ? `has ${info.bytes} bytes of it, not ${bytes}` : 'does not have it';
      throw new HydrantError('HYD_STORE', `${key} was uploaded, but the store ${seen}`);
    }
    return files;
  }

  async #isSame(key: string): Promise<boolean> {
    const [local, remote] = await Promise.all([this.#context.local, this.#context.remote].map((store) => sha256Of(store.stream(key))));
    return local === remote;
  }

  async #remoteManifest(key: string): Promise<Manifest | undefined> {
    try {
      return decodeManifest(await this.#context.remote.get(key), key);
    } catch (error) {
      if (error instanceof HydrantError && (error.code === 'HYD_OBJECT_MISSING' || error.code === 'HYD_MANIFEST')) return undefined;
      throw error;
    }
  }
}

function keyBeside(key: string, name: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1) + name;
}

function seqPart({ journal, epoch, firstSeq, lastSeq }: Manifest['parts'][number]): SeqPart {
  return { journal, epoch, first: firstSeq, last: lastSeq };
}

function isSameObject(theirs: Manifest | undefined, ours: Manifest): boolean {
  return theirs !== undefined && theirs.sha256 === ours.sha256 && hasSameLines(theirs, ours);
}

function hasSameLines(theirs: Manifest, ours: Manifest): boolean {
  const lines = ({ parts, count, rawBytes, rawSha256 }: Manifest) => JSON.stringify([parts, count, rawBytes, rawSha256]);
  return lines(theirs) === lines(ours);
}

function isTaken(error: unknown): boolean {
  return error instanceof HydrantError && error.code === 'HYD_OBJECT_EXISTS';
}

function taken(key: string): HydrantError {
  return new HydrantError('HYD_OBJECT_EXISTS', `${key} holds other content in the remote store`, {
    fix: 'Find out who else writes there (give each its own prefix). Nothing was overwritten: ours is kept in the data folder and below quarantine/.',
  });
}
