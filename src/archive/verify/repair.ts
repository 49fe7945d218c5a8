import { basename } from 'node:path';
import { HydrantError } from '../../core/errors.ts';
import type { ObjectBody, ObjectStore, ReadableStore } from '../../storage/store.ts';
import { decodeManifest, type Manifest } from '../../wire/manifest.ts';
import { type ArchiveGroup, filesOf, listDays, listHours } from '../archive-groups.ts';
import { parseArchiveKey } from '../keys.ts';
import { holdsAll, SeqSet } from '../seq-set.ts';
import { sha256Of } from '../sha256.ts';

export interface RepairOptions {
  local: ReadableStore;
  remote: ObjectStore;
  /** What is put of a local key: the file itself spares reading it into memory. */
  bodyOf: (key: string) => ObjectBody;
  signal?: AbortSignal;
}

/** What was put into the remote store, or why not. */
export interface Repair {
  key: string;
  bytes: number;
  /** `refused`: something else is there, and nothing is overwritten. */
  outcome: 'uploaded' | 'refused';
}

/**
 * Puts into the remote store what is missing there and whole in the local one: an object with all that is beside it, the manifest last.
 * What the remote store tells already, also within a larger object, is left alone. Deletes and overwrites nothing.
 * @throws HYD_ABORTED, HYD_STORE
 */
export async function* repairRemote(options: RepairOptions): AsyncGenerator<Repair> {
  const { local, remote, signal } = options;
  const told = await readTold(remote);
  for (const groups of [listDays, listHours]) {
    for await (const group of groups(local)) {
      if (signal?.aborted) throw new HydrantError('HYD_ABORTED', 'the repair was stopped', { cause: signal.reason });
      const manifest = await readManifest(local, group);
      if (!manifest || isTold(told, manifest) || !(await isWhole(local, group, manifest))) continue;
      for (const { key } of filesOf(group)) {
        const repair = await put(options, key);
        if (repair) yield repair;
        if (repair?.outcome === 'refused') break;
      }
    }
  }
}

/** Sequences that the store has both manifest and object of, in full size. */
async function readTold(store: ReadableStore): Promise<SeqSet> {
  const told = new SeqSet();
  for (const groups of [listDays, listHours]) {
    for await (const group of groups(store)) {
      const manifest = await readManifest(store, group);
      if (!manifest || !sizesAgree(group, manifest)) continue;
      for (const { journal, epoch, firstSeq, lastSeq } of manifest.parts) told.add(journal, epoch, { first: firstSeq, last: lastSeq });
    }
  }
  return told;
}

function isTold(told: SeqSet, { parts }: Manifest): boolean {
  return parts.every(({ journal, epoch, firstSeq: first, lastSeq: last }) =>
    holdsAll(told.overlap(journal, epoch, { first, last }), { first, last }),
  );
}

async function readManifest(store: ReadableStore, { manifest }: ArchiveGroup): Promise<Manifest | undefined> {
  if (!manifest) return undefined;
  try {
    return decodeManifest(await store.get(manifest.key), manifest.key);
  } catch (error) {
    if (!(error instanceof HydrantError) || (error.code !== 'HYD_MANIFEST' && error.code !== 'HYD_OBJECT_MISSING')) throw error;
    return undefined;
  }
}

function sizesAgree(group: ArchiveGroup, manifest: Manifest): boolean {
  return manifest.object === null || group.objects.some(({ key, bytes }) => basename(key) === manifest.object && bytes === manifest.bytes);
}

async function isWhole(store: ReadableStore, group: ArchiveGroup, manifest: Manifest): Promise<boolean> {
  const object = group.objects.find(({ key }) => basename(key) === manifest.object);
  if (!object) return manifest.object === null;
  return (await sha256Of(store.stream(object.key))) === manifest.sha256;
}

/** Undefined when the same is there. */
async function put({ local, remote, bodyOf }: RepairOptions, key: string): Promise<Repair | undefined> {
  const bytes = (await local.head(key))?.bytes;
  if (bytes === undefined) return undefined;
  const there = await remote.head(key);
  // An index that is there was made of the same lines.
  if (there) return there.bytes === bytes || parseArchiveKey(key)?.file === 'index' ? undefined : { key, bytes, outcome: 'refused' };
  try {
    await remote.put(key, bodyOf(key), { ifNoneMatch: true });
    return { key, bytes, outcome: 'uploaded' };
  } catch (error) {
    if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_EXISTS') throw error;
    return { key, bytes, outcome: 'refused' };
  }
}
