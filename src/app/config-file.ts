import { type Document, isAlias, isCollection, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import { nearest } from '../core/nearest.ts';
import type { ConfigKeys } from './config-keys.ts';
import type { ConfigEntry, ConfigFault, Origin } from './config-origin.ts';

/** Reads a configuration file's text: the values it gives, each with its line and column, and the mistakes in its structure. */
export function parseConfigFile(text: string, file: string, known: ConfigKeys): { entries: ConfigEntry[]; faults: ConfigFault[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const reader = new Reader(document, lines, file, known);
  for (const error of document.errors) reader.faults.push({ origin: reader.at(error.pos[0]), message: error.message });
  if (reader.faults.length === 0) reader.section(document.contents, []);
  return { entries: reader.entries, faults: reader.faults };
}

class Reader {
  readonly entries: ConfigEntry[] = [];
  readonly faults: ConfigFault[] = [];
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #file: string;
  readonly #known: ConfigKeys;

  constructor(document: Document, lines: LineCounter, file: string, known: ConfigKeys) {
    this.#document = document;
    this.#lines = lines;
    this.#file = file;
    this.#known = known;
  }

  at(offset: number): Origin {
    const { line, col } = this.#lines.linePos(offset);
    return { from: 'file', file: this.#file, line, column: col };
  }

  section(given: unknown, path: string[]): void {
    const node = isAlias(given) ? given.resolve(this.#document) : given;
    if (node === null || node === undefined || (isScalar(node) && node.value === null)) return;
    const children = this.#known.sections.get(path.join('.'))!;
    if (!isMap(node)) {
      const where = this.at((given as Node).range?.[0] ?? 0);
      this.faults.push({
        origin: where,
        message: `${path.join('.') || 'the file'} holds keys (${children.join(', ')}), not a single value or list`,
      });
      return;
    }
    for (const pair of node.items) {
      const key = pair.key as Node;
      const name = isScalar(key) ? String(key.value) : String(key);
      const childPath = [...path, name];
      const dotted = childPath.join('.');
      const origin = this.at(key.range?.[0] ?? 0);
      if (this.#known.sections.has(dotted)) this.section(pair.value, childPath);
      else if (this.#known.keys.has(dotted)) {
        const value = pair.value as Node | null;
        if (value?.range) {
          const originOf = (names: readonly PropertyKey[]): Origin => this.at(partOf(value, names).range![0]);
          this.entries.push({ path: dotted, value: value.toJS(this.#document), origin: originOf([]), originOf });
        } else this.faults.push({ origin, message: `${dotted} has no value` });
      } else this.faults.push({ origin, message: unknownKey(dotted, this.#known) });
    }
  }
}

/** What is missing is where the part is that lacks it. */
function partOf(value: Node, names: readonly PropertyKey[]): Node {
  if (names.length === 0 || !isCollection(value)) return value;
  const part = value.getIn(names, true) as Node | undefined;
  return part?.range ? part : partOf(value, names.slice(0, -1));
}

/** Names an unknown key and the valid one that was most likely meant: in the same section first, then anywhere. */
export function unknownKey(dotted: string, known: ConfigKeys): string {
  const cut = dotted.lastIndexOf('.');
  const section = dotted.slice(0, Math.max(0, cut));
  const name = dotted.slice(cut + 1);
  const inSection = nearest(name, known.sections.get(section) ?? []);
  const meant = inSection ? (section ? `${section}.${inSection}` : inSection) : anywhere(name, dotted, known);
  return `there is no key ${dotted}${meant ? `; did you mean ${meant}?` : ` (known here: ${(known.sections.get(section) ?? known.sections.get('')!).join(', ')})`}`;
}

function anywhere(name: string, dotted: string, known: ConfigKeys): string | undefined {
  const all = [...known.sections.keys(), ...known.keys.keys()].filter((path) => path !== '');
  return nearest(dotted, all) ?? all.find((path) => path.endsWith(`.${name}`));
}
