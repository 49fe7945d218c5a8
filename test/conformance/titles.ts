import { globSync, readFileSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);
const TEST = /(?<![\w.])test\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;
const CLAUSE = /\[(MQTT3?)-([\d.]+-\d+)\]/g;

/** How a title names the standard that its clause is of: 5.0 or 3.1.1. */
export type Standard = 'MQTT' | 'MQTT3';

export interface Title {
  /** Within the project. */
  file: string;
  /** Without its clauses; what the test fills in is …. */
  text: string;
  clauses: { standard: Standard; id: string }[];
}

/** The title of every test that is written as a literal or a template, as it stands in its file. */
export function readTitles(): Title[] {
  const files = globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], { cwd: ROOT.pathname }).sort();
  return files.flatMap((file) => titlesIn(file, readFileSync(new URL(file, ROOT), 'utf8')));
}

/** @param source of a test file */
export function titlesIn(file: string, source: string): Title[] {
  return [...source.matchAll(TEST)].map(([, single, double, template]) => {
    const title = (single ?? double ?? template ?? '').replaceAll(/\$\{[^}]*\}/g, '…').replaceAll(/\\(.)/g, '$1');
    const clauses = [...title.matchAll(CLAUSE)].map(([, standard, id]) => ({ standard: standard as Standard, id: id! }));
    return { file, text: title.replaceAll(CLAUSE, '').trim(), clauses };
  });
}
