import { CLAUSES_3 } from './clauses-3.1.1.ts';
import { CLAUSES_5 } from './clauses-5.0.ts';
import type { Standard, Title } from './titles.ts';

type Binds = 'server' | 'client' | 'both';

/** By number: whom the statement binds, what it demands in our words and, only where no test can show it, why not. */
export type Clauses = Readonly<Record<string, readonly [binds: Binds, demand: string, untested?: string]>>;

export const STANDARDS: Readonly<Record<Standard, Clauses>> = { MQTT: CLAUSES_5, MQTT3: CLAUSES_3 };

/** The tests of each clause, by `MQTT-3.1.0-1`. */
export function byClause(titles: Title[]): Map<string, Title[]> {
  const tests = new Map<string, Title[]>();
  for (const title of titles) {
    for (const { standard, id } of title.clauses) {
      const key = `${standard}-${id}`;
      const others = tests.get(key) ?? [];
      tests.set(key, [...others, title]);
    }
  }
  return tests;
}

/** What keeps the page from being true: one sentence each. */
export function findProblems(titles: Title[], standards = STANDARDS): string[] {
  const tests = byClause(titles);
  const known = new Set(Object.entries(standards).flatMap(([standard, clauses]) => Object.keys(clauses).map((id) => `${standard}-${id}`)));
  const unknown = [...tests]
    .filter(([key]) => !known.has(key))
    .map(([key, [title]]) => `${title?.file} names [${key}], which there is not`);
  const misspelt = titles
    .filter(({ text }) => /MQTT\d?-\d/.test(text))
    .map(({ file, text }) => `${file} has a clause that is not read as one: ${text}`);
  const wrong = Object.entries(standards).flatMap(([standard, clauses]) =>
    Object.entries(clauses).flatMap(([id, [binds, demand, untested]]) => {
      const isTested = tests.has(`${standard}-${id}`);
      if (isTested && untested) return [`[${standard}-${id}] has a test, and a reason why it has none`];
      if (!isTested && !untested && binds !== 'client') return [`[${standard}-${id}] has neither a test nor a reason: ${demand}`];
      return [];
    }),
  );
  return [...unknown, ...misspelt, ...wrong];
}
