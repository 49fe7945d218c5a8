import { unlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { errorText, HydrantError } from '../../core/errors.ts';
import { createHexId } from '../../core/id.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { S3Settings } from '../options.ts';
import { assertKey, type ByteRange, type ObjectBody, type ObjectInfo, type ObjectStore } from '../store.ts';
import { openS3Client } from './s3-client.ts';
import { honoursCondition, type UploadKind } from './s3-condition.ts';
import { readContent, type S3Content } from './s3-content.ts';
import { s3Code, s3Status } from './s3-failure.ts';
import { abortUploads, listObjects } from './s3-list.ts';
import { readObject } from './s3-read.ts';
import { isTagOf, type S3Note, sendContent } from './s3-send.ts';
import { ensureBucket, failed, type S3Target } from './s3-target.ts';

export interface S3StoreOptions {
  bucket: string;
  /** Before every key: empty, or ends with a slash. Default empty. */
  prefix?: string;
  settings: S3Settings;
  /** Default: silent. */
  log?: Log;
  /** Look for the bucket before the first call of any kind, and make it as before a put: for whoever writes here. Default false. */
  makeBucket?: boolean;
  /**
   * Uploads in parts that began before this store was opened, and longer ago than this, are unfinished ones, which `clean` removes.
   * Default an hour.
   */
  unfinishedMs?: number;
  /** Which keys are this process's to put: uploads of others are left alone by `clean`. Default: all. */
  owns?: (key: string) => boolean;
}

const CONFLICTS = 5;
const CONFLICT_MS = 100;
const UNFINISHED_MS = 3_600_000;

/**
 * A bucket, or what lies below a prefix in it, as an object store. The library is loaded and a connection made with the first call. Before
 * the first put the bucket is made if need be, and it is tried whether the server keeps to If-None-Match; where it does not, each put asks
 * first whether the key is free. Each object carries its SHA-256, which every whole reading is checked against.
 *
 * Every request is tried three times by itself; what fails then is HYD_STORE with what S3 said. A put whose answer was lost may have
 * happened: the whole object is there, or nothing.
 */
export function createS3Store(options: S3StoreOptions): ObjectStore {
  return new S3Store(options);
}

class S3Store implements ObjectStore {
  readonly #options: S3StoreOptions;
  readonly #log: Log;
  readonly #closed = new AbortController();
  readonly #honours = new Map<UploadKind, Promise<boolean>>();
  readonly #openedMs = Date.now();
  #opened: Promise<S3Target> | undefined;
  #bucket: Promise<void> | undefined;
  /** Encryption was asked for, and not reported; said once. */
  #isPlain = false;

  constructor(options: S3StoreOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
  }

  async put(key: string, body: ObjectBody): Promise<'created'> {
    assertKey(key);
    const target = await this.#open();
    const content = await readContent(body, target.settings.partBytes).catch((cause) => {
      throw new HydrantError('HYD_STORE', `cannot write object ${key}: ${errorText(cause)}`, { cause });
    });
    await this.#findBucket(target);
    const isConditional = await this.#isConditional(target, content.whole ? 'whole' : 'parts');
    if (!isConditional && (await this.head(key))) throw taken(key);
    const note = { sha256: content.sha256, put: createHexId(8) };
    await this.#send(target, key, body, content, { note, isConditional });
    if ('path' in body && body.move) await unlink(body.path);
    return 'created';
  }

  async get(key: string, range?: ByteRange): Promise<Buffer> {
    assertKey(key);
    const target = await this.#open();
    if (range && range.end <= range.start) {
      // No range of HTTP is empty.
      await readObject(target, key, { start: range.start, end: range.start + 1 }).next();
      return Buffer.alloc(0);
    }
    const chunks: Buffer[] = [];
    for await (const chunk of readObject(target, key, range)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async *stream(key: string): AsyncGenerator<Buffer> {
    assertKey(key);
    yield* readObject(await this.#open(), key);
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    assertKey(key);
    const { ContentLength, LastModified, Metadata } = (await this.#look(await this.#open(), key)) ?? {};
    if (ContentLength === undefined) return undefined;
    return { key, bytes: ContentLength, modifiedMs: LastModified?.getTime() ?? 0, sha256: Metadata?.sha256 };
  }

  async *list(prefix = ''): AsyncGenerator<ObjectInfo> {
    yield* listObjects(await this.#open(), prefix);
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    const target = await this.#open();
    const { client, sdk, bucket, prefix } = target;
    await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: prefix + key })).catch((error) => {
      if (s3Code(error) !== 'NoSuchKey') throw failed(target, 'delete', `object ${key}`, error);
    });
  }

  /** Uploads in parts that nobody finishes any more: they are paid for and never seen. Those of the last hour may be somebody's. */
  async clean(): Promise<number> {
    const { unfinishedMs = UNFINISHED_MS, owns = () => true } = this.#options;
    return abortUploads(await this.#open(), Math.min(this.#openedMs, Date.now() - unfinishedMs), owns);
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closed.abort();
    const target = await this.#opened?.catch(() => undefined);
    target?.client.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #send(
    target: S3Target,
    key: string,
    body: ObjectBody,
    content: S3Content,
    options: { note: S3Note; isConditional: boolean },
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await sendContent(target, key, body, content, options);
        if (isTagOf(content, answer) === false) await this.#readBack(target, key);
        await this.#checkEncryption(target, key, answer);
        return;
      } catch (error) {
        const status = s3Status(error);
        if (status === 409 && attempt < CONFLICTS) {
          await delay(CONFLICT_MS * attempt * (0.5 + Math.random()));
          continue;
        }
        // An earlier try of the same request may have done it, and its answer was lost.
        const isTaken = status === 412;
        if (isTaken || s3Code(error) === 'NoSuchUpload') {
          if ((await this.#look(target, key))?.Metadata?.put === options.note.put) return;
        }
        throw isTaken ? taken(key, error) : failed(target, 'write', `object ${key}`, error);
      }
    }
  }

  /** Some servers ignore what they do not know; some do not tell it of what came in parts, but of the object. */
  async #checkEncryption(target: S3Target, key: string, answer: { ServerSideEncryption?: string }): Promise<void> {
    const { bucket, settings } = target;
    if (settings.sse === 'none' || answer.ServerSideEncryption === settings.sse || this.#isPlain) return;
    const reported = (await this.#look(target, key))?.ServerSideEncryption;
    if (reported === settings.sse) return;
    this.#isPlain = true;
    this.#log('warn', 'the store does not say that it encrypts', { bucket, asked: settings.sse, reported: reported ?? 'none' });
  }

  /** The tag of what was put is not the one expected, which some servers do; its content says whether it arrived. */
  async #readBack(target: S3Target, key: string): Promise<void> {
    try {
      for await (const _ of readObject(target, key));
    } catch (error) {
      await this.delete(key).catch(() => {});
      throw error;
    }
  }

  async #look(target: S3Target, key: string) {
    const { client, sdk, bucket, prefix } = target;
    try {
      return await client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: prefix + key }));
    } catch (error) {
      if (s3Status(error) === 404) return undefined;
      throw failed(target, 'look at', `object ${key}`, error);
    }
  }

  async #open(): Promise<S3Target> {
    const { bucket, prefix = '', settings } = this.#options;
    this.#opened ??= openS3Client(settings, this.#closed.signal).then(
      (opened) => ({ ...opened, bucket, prefix, settings }),
      (error) => {
        this.#opened = undefined;
        throw error;
      },
    );
    const target = await this.#opened;
    if (this.#options.makeBucket) await this.#findBucket(target);
    return target;
  }

  #findBucket(target: S3Target): Promise<void> {
    this.#bucket ??= ensureBucket(target).then(
      (made) => {
        if (made) this.#log('warn', 'the bucket did not exist and was made', { bucket: target.bucket });
      },
      (error) => {
        this.#bucket = undefined;
        throw error;
      },
    );
    return this.#bucket;
  }

  async #isConditional(target: S3Target, kind: UploadKind): Promise<boolean> {
    const { ifNoneMatch } = target.settings;
    if (ifNoneMatch === 'off') return false;
    let known = this.#honours.get(kind);
    if (!known) {
      known = honoursCondition(target, kind);
      this.#honours.set(kind, known);
      known.then(
        (honours) => {
          if (!honours)
            this.#log('warn', 'the store ignores If-None-Match; it is asked before each put whether the key is free', {
              bucket: target.bucket,
              kind,
            });
        },
        () => this.#honours.delete(kind),
      );
    }
    const honours = await known;
    if (!honours && ifNoneMatch === 'require') {
      throw new HydrantError(
        'HYD_STORE',
        `s3://${target.bucket} would overwrite: it ignores If-None-Match for objects sent ${kind === 'whole' ? 'whole' : 'in parts'}`,
        {
          retryable: false,
          fix: 'Use a server that keeps to it, or set archive.s3.ifNoneMatch: auto.',
        },
      );
    }
    return honours;
  }
}

function taken(key: string, cause?: unknown): HydrantError {
  return new HydrantError('HYD_OBJECT_EXISTS', `object ${key} exists already`, { cause });
}
