import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';

/** Folder under src/ → its layer. A folder imports itself and what has a lower number. */
export type Layers = ReadonlyMap<string, number>;

/** Reads the table under `## Layers` of docs/design.md: a number, then folders; a line without a number goes on in the layer above it. */
export function parseLayers(markdown: string): Layers {
  const layers = new Map<string, number>();
  const section = markdown.split(/^## /m).find((part) => part.startsWith('Layers')) ?? '';
  let layer = Number.NaN;
  for (const line of section.split('\n')) {
    const match = /^ {4}(?:(\d) | {2}) {1,2}([a-z]+)\//.exec(line);
    if (!match) continue;
    if (match[1]) layer = Number(match[1]);
    layers.set(match[2]!, layer);
  }
  return layers;
}

/** Every module that the text names: static, type-only and dynamic imports, and re-exports. */
export function readImports(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName);
}

/** What is wrong with the imports of `file` (a path that starts with src/), one sentence each. */
export function layerFaults(layers: Layers, file: string, text: string): string[] {
  const isTest = file.endsWith('.test.ts');
  const own = folderOf(file);
  const faults: string[] = [];
  for (const name of readImports(text)) {
    if (!name.startsWith('.')) continue;
    const target = normalize(join(dirname(file), name));
    const fault = faultOf(target);
    if (fault) faults.push(`${file} imports ${target}: ${fault}`);
  }
  return faults;

  function faultOf(target: string): string | undefined {
    if (!target.startsWith('src/')) return 'it lies outside src/';
    const other = folderOf(target);
    if (other === own) return undefined;
    if (target.endsWith('.test.ts')) return 'it is a test';
    if (other === 'testing') return isTest ? undefined : 'testing/ is for tests only';
    // The package's entry files and the test helpers stand above every layer.
    if (own === '' || own === 'testing') return undefined;
    const from = layers.get(own);
    const to = layers.get(other);
    if (from === undefined) return `${own}/ is not in the table of docs/design.md`;
    if (to === undefined) return other === '' ? 'it is an entry of the package' : `${other}/ is not in the table of docs/design.md`;
    if (to < from) return undefined;
    return to === from ? `both are in layer ${to}, and that is sideways` : `layer ${from} imports layer ${to}, and that is upward`;
  }
}

/** `src/mqtt/connection.ts` → `mqtt`, `src/index.ts` → ``. */
function folderOf(file: string): string {
  const parts = file.split('/');
  return parts.length > 2 ? parts[1]! : '';
}

/**
 * The imports that go round between the rooms (subfolders) of a folder such as `src/archive`; its own files are a room too.
 * @param texts by path, as from src/; tests do not count
 */
export function roundImports(folder: string, texts: ReadonlyMap<string, string>): string[] {
  const imports: { room: string; other: string; text: string }[] = [];
  for (const [file, text] of texts) {
    if (!file.startsWith(`${folder}/`) || file.endsWith('.test.ts')) continue;
    for (const name of readImports(text)) {
      const target = normalize(join(dirname(file), name));
      const [room, other] = [roomOf(folder, file), roomOf(folder, target)];
      if (target.startsWith(`${folder}/`) && room !== other) imports.push({ room, other, text: `${file} imports ${target}` });
    }
  }
  // Rooms that import none of those left are at the bottom; so are those that only import them, and so on.
  const left = new Set(imports.map(({ room }) => room));
  const isLow = (room: string): boolean => !imports.some((own) => own.room === room && left.has(own.other));
  for (let low = [...left].filter(isLow); low.length > 0; low = [...left].filter(isLow)) for (const room of low) left.delete(room);
  return imports.filter(({ room, other }) => left.has(room) && left.has(other)).map(({ text }) => text);
}

/** `src/archive/seal/sealer.ts` → `seal`, `src/archive/keys.ts` → ``. */
function roomOf(folder: string, file: string): string {
  const parts = file.slice(folder.length + 1).split('/');
  return parts.length > 1 ? parts[0]! : '';
}
