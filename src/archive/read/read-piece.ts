import type { Catalogue } from '../catalogue.ts';
import type { Chunk, Selection } from '../chunks.ts';
import type { Piece } from '../pieces.ts';
import { readObject, readWhole } from './read-object.ts';
import { readSegment } from './read-segment.ts';

/** What of a piece may match, in its order. Undefined when its manifest says that nothing can. */
export async function readPiece(catalogue: Catalogue, piece: Piece, selection: Selection): Promise<AsyncIterable<Chunk> | undefined> {
  if (piece.kind === 'segment') return readSegment(piece, selection);
  const manifest = piece.codec === 'plain' ? undefined : await catalogue.manifest(piece.manifestKey);
  return manifest ? readObject(catalogue.store, piece, manifest, selection) : readWhole(catalogue.store, piece);
}
