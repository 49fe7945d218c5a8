import { createWriteStream } from 'node:fs';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import { HydrantError, systemCode } from '../../core/errors.ts';
import { makeFolder, syncFolder } from '../../core/files.ts';
import { type TarEntry, TarWriter } from './tar.ts';

/** Where a backup goes. What was added is complete only after `end`; `abort` leaves nothing behind. */
export interface BackupSink {
  add(entry: TarEntry): Promise<void>;
  end(): Promise<void>;
  abort(): Promise<void>;
}

/** An empty or new folder. @throws HYD_USAGE when it holds something */
export async function folderSink(dir: string): Promise<BackupSink> {
  await assertEmpty(dir);
  await makeFolder(dir);
  const folders = new Set<string>([dir]);
  return {
    async add({ path, content }) {
      const target = join(dir, path);
      await makeFolder(dirname(target));
      for (let at = dirname(target); at !== dir; at = dirname(at)) folders.add(at);
      await using file = await open(target, 'wx', 0o600);
      for await (const chunk of content) await file.appendFile(chunk);
      await file.sync();
    },
    async end() {
      for (const folder of folders) await syncFolder(folder);
    },
    async abort() {
      for (const name of await readdir(dir)) await rm(join(dir, name), { recursive: true, force: true });
    },
  };
}

/** A tar file, compressed as its name says (.tar, .tar.gz, .tgz, .tar.zst), written under another name until it is whole. */
export async function tarFileSink(path: string): Promise<BackupSink> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  const file = createWriteStream(temporary, { flags: 'wx', mode: 0o600, flush: true });
  const sink = tarSink(compressed(path, file), file);
  return {
    ...sink,
    async end() {
      await sink.end();
      await rename(temporary, path);
      await syncFolder(dirname(path));
    },
    async abort() {
      file.destroy();
      await rm(temporary, { force: true });
    },
  };
}

/** A tar into a stream, such as standard output. */
export function tarSink(out: Writable, last: Writable = out): BackupSink {
  const tar = new TarWriter(out);
  return {
    add: (entry) => tar.add(entry, Date.now()),
    async end() {
      await tar.end();
      if (last === process.stdout) return;
      out.end();
      await finished(last);
    },
    async abort() {},
  };
}

function compressed(path: string, file: Writable): Writable {
  if (/\.(tar\.gz|tgz)$/.test(path)) return piped(createGzip({ level: 1 }), file);
  if (path.endsWith('.tar.zst')) return piped(createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } }), file);
  return file;
}

function piped(encoder: ReturnType<typeof createGzip>, file: Writable): Writable {
  file.on('error', (error) => encoder.destroy(error));
  encoder.pipe(file);
  return encoder;
}

/** @throws HYD_USAGE when the folder is there and holds something */
async function assertEmpty(dir: string): Promise<void> {
  const names = await readdir(dir).catch((error) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  });
  if (names.length === 0) return;
  throw new HydrantError('HYD_USAGE', `${dir} is not empty: it holds ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`, {
    fix: 'Give a folder that does not exist yet, or an empty one. Nothing was written.',
  });
}
