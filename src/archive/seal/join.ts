import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { crashPoint } from '../../core/crash-point.ts';
import { HydrantError } from '../../core/errors.ts';
import type { ObjectBody, ObjectStore, ReadableStore } from '../../storage/store.ts';
import { extendPart, type Manifest, type ManifestPart } from '../../wire/manifest.ts';
import type { HivePlace, ObjectCodec } from '../keys.ts';
import type { JoinedObjects } from './join-objects.ts';
import type { Publisher } from './publish.ts';
import type { Expected } from './read-back.ts';
import type { SealThread } from './seal-thread.ts';

export interface JoinContext {
  /** Where the parts are read from. */
  read: ReadableStore;
  /** Where the whole goes. */
  store: ObjectStore;
  publisher: Publisher;
  thread: SealThread;
  workDir: string;
  nowMs: number;
  /** Topics that an index tells apart. */
  maxTopics?: number;
  signal?: AbortSignal;
  /** Before the dot of its crash points. */
  name: 'compose' | 'compact';
}

/** What was sealed of one run of sequences; its manifest may say that there is no object. */
export interface SealedPart {
  place: HivePlace;
  base: string;
  manifest: Manifest;
}

/** Parts put together to one file, checked, not yet in the store. */
export interface Joined extends JoinedObjects {
  parts: readonly SealedPart[];
  codec: ObjectCodec;
  path: string;
  indexPath: string;
}

/** Streams the objects of the parts, in their order, to a file and checks it: what is damaged is found before anything is published. */
export async function joinParts(context: JoinContext, parts: readonly SealedPart[], codec: ObjectCodec): Promise<Joined> {
  const path = join(context.workDir, 'joined');
  const indexPath = join(context.workDir, 'joined.idx');
  const objects: (Expected & { name: string })[] = [];
  {
    await using file = await open(path, 'w', 0o600);
    for (const { base, manifest } of parts) {
      if (manifest.object === null) continue;
      const key = objectKey(base, manifest.object);
      if (manifest.codec === 'parquet') throw new TypeError(`${key} is no row of blocks`);
      for await (const chunk of context.read.stream(key)) {
        if (context.signal?.aborted) throw new HydrantError('HYD_ABORTED', 'putting objects together was stopped');
        await file.appendFile(chunk);
      }
      objects.push({ ...manifest, codec: manifest.codec, name: base });
    }
    await file.sync();
  }
  const { maxTopics, thread, workDir } = context;
  const { journal, epoch } = parts[0]!.place;
  const parquet = codec === 'parquet' ? { path: join(workDir, 'joined.parquet'), journal, epoch } : undefined;
  const joined = await thread.run({ kind: 'join', path, objects, indexPath, maxTopics, parquet });
  crashPoint(`${context.name}.staged`);
  return { ...joined, parts, codec, path: parquet?.path ?? path, indexPath };
}

/**
 * Publishes what was put together. The manifest goes before the object: as soon as the object can be seen, everybody knows which
 * sequences it tells.
 * @param put puts the object; default: when its key is free
 */
export async function publishJoined(
  context: JoinContext,
  joined: Joined,
  { base, key, put }: { base: string; key: string; put?: (body: ObjectBody, manifest: Manifest) => Promise<void> },
): Promise<Manifest> {
  const { store, publisher, name } = context;
  const manifest = joinedManifest(joined, basename(key), context.nowMs);
  if (joined.hasIndex) await publisher.derived(`${base}.idx`, { path: joined.indexPath, move: true });
  await publisher.manifest(`${base}.manifest.json`, manifest);
  crashPoint(`${name}.manifest`);
  const body = { path: joined.path, move: true };
  if (put) await put(body, manifest);
  else await store.put(key, body, { ifNoneMatch: true });
  crashPoint(`${name}.put`);
  return manifest;
}

/** Removes a part, its manifest last: what a crash leaves of it says what it was. Damaged lines stay: they are nowhere else. */
export async function removePart(
  { store, name }: Pick<JoinContext, 'store' | 'name'>,
  base: string,
  objects: readonly string[],
): Promise<void> {
  for (const key of [...objects, `${base}.idx`, `${base}.manifest.json`]) await store.delete(key);
  crashPoint(`${name}.removed`);
}

/** The key of an object that stands beside its manifest. */
export function objectKey(base: string, object: string): string {
  return base.slice(0, base.lastIndexOf('/') + 1) + object;
}

/** Runs of one epoch that follow each other become one. */
function joinedManifest(joined: Joined, object: string, nowMs: number): Manifest {
  const parts: ManifestPart[] = [];
  const blocks: Manifest['blocks'] = [];
  let offset = 0;
  for (const { manifest } of joined.parts) {
    const own = manifest.parts[0]!;
    const before = parts.at(-1);
    if (!before || !extendPart(before, own)) parts.push(structuredClone(own));
    for (const block of manifest.blocks) blocks.push({ ...block, part: parts.length - 1, offset: offset + block.offset });
    offset += manifest.bytes;
  }
  const held = joined.parts.map(({ manifest }) => manifest).filter(({ count }) => count > 0);
  return {
    v: 1,
    object,
    codec: joined.codec,
    parts,
    count: parts.reduce((sum, part) => sum + part.count, 0),
    minTs: held.map(({ minTs }) => minTs).sort()[0] ?? '',
    maxTs:
      held
        .map(({ maxTs }) => maxTs)
        .sort()
        .at(-1) ?? '',
    rawBytes: held.reduce((sum, { rawBytes }) => sum + rawBytes, 0),
    bytes: joined.written?.bytes ?? offset,
    rawSha256: joined.rawSha256,
    sha256: joined.sha256,
    blocks: joined.written?.blocks ?? blocks,
    topics: joined.topics,
    sealedAt: new Date(nowMs).toISOString(),
  };
}
