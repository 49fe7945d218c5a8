import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../../core/errors.ts';

/** Where reading goes on: in which file, and how far in it. */
export interface Place {
  /** Made once for each file that is followed, so that another one's lines never get the same ids. */
  origin: string;
  /** How many files before this one: each rotation is one more. */
  generation: number;
  inode: number;
  /** Bytes that were read, whole lines only. */
  offset: number;
  /** How the file begins, base64: a number of a file is used again. */
  head: string;
  /** When it was last read, RFC 3339. */
  at: string;
}

const HEAD_BYTES = 256;
/** What rotation appends: `.1`, `-20260304`, `.2026-03-04`. */
const ROTATED = /^[.-]\d[\d.T_:-]*(\.(?:gz|xz|bz2|zst|Z))?$/;

/** A file beside the one that is followed. */
interface Sibling {
  path: string;
  inode: number;
  size: number;
  changedMs: number;
  number: number;
  isPacked: boolean;
}

/** What is to be read before the file itself. */
export interface Missed {
  /** In order; the first goes on at the place when `goesOn`. */
  files: { path: string; inode: number }[];
  goesOn: boolean;
  /** What cannot be read any more, for people; undefined when nothing is missing. */
  lost: string | undefined;
}

/** Whether an open file is the one of a place, and has all that was read of it. */
export async function isAt(file: FileHandle, place: Place): Promise<boolean> {
  const { ino, size } = await file.stat();
  return ino === place.inode && size >= place.offset && (await hasHead(file, place));
}

/** How a file begins, as far as it was read. */
export async function readHead(file: FileHandle, offset: number): Promise<string> {
  const length = Math.min(HEAD_BYTES, offset);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, 0);
  return buffer.toString('base64', 0, bytesRead);
}

export async function hasHead(file: FileHandle, { head }: Place): Promise<boolean> {
  return (await readHead(file, Buffer.byteLength(head, 'base64'))) === head;
}

/**
 * What was rotated away since a place, by the names that rotation gives. Order is by the time of change.
 * @param isRead the file of the place was read to its end
 */
export async function findMissed(path: string, place: Place, isRead: boolean): Promise<Missed> {
  const siblings = await listSiblings(path);
  let from = siblings.findIndex(({ inode }) => inode === place.inode);
  if (from === -1 || !(await isPlaceOf(siblings[from]!, place))) from = await findCopy(siblings, place);
  const sinceMs = Date.parse(place.at);
  const later = from === -1 ? siblings.filter(({ changedMs }) => changedMs > sinceMs) : siblings.slice(from + 1);
  const packed = later.filter(({ isPacked }) => isPacked).map((sibling) => basename(sibling.path));
  const goesOn = from !== -1 && !isRead;
  const files = [...(goesOn ? [siblings[from]!] : []), ...later.filter(({ isPacked }) => !isPacked)];
  const isLost = (from === -1 && !isRead) || packed.length > 0;
  const lost = packed.length > 0 ? `packed meanwhile: ${packed.join(', ')}` : `the file that was read up to byte ${place.offset} is gone`;
  return { files, goesOn, lost: isLost ? lost : undefined };
}

/** A file that was copied and then emptied goes on in its copy. */
async function findCopy(siblings: readonly Sibling[], place: Place): Promise<number> {
  if (place.head === '') return -1;
  for (const [i, sibling] of siblings.entries()) if (await isPlaceOf(sibling, place)) return i;
  return -1;
}

async function isPlaceOf({ path, size, isPacked }: Sibling, place: Place): Promise<boolean> {
  if (isPacked || size < place.offset) return false;
  await using file = await open(path);
  return hasHead(file, place);
}

/** Oldest first. */
async function listSiblings(path: string): Promise<Sibling[]> {
  const folder = dirname(path);
  const own = basename(path);
  const siblings: Sibling[] = [];
  for (const name of await readdir(folder)) {
    const match = name.startsWith(own) ? ROTATED.exec(name.slice(own.length)) : undefined;
    if (!match) continue;
    const full = join(folder, name);
    try {
      const { ino, size, mtimeMs } = await stat(full);
      siblings.push({
        path: full,
        inode: ino,
        size,
        changedMs: mtimeMs,
        number: Number(/\d+/.exec(name.slice(own.length))![0]),
        isPacked: match[1] !== undefined,
      });
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    }
  }
  return siblings.sort((a, b) => a.changedMs - b.changedMs || b.number - a.number);
}
