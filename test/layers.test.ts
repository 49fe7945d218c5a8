import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { layerFaults, parseLayers, readImports, roundImports } from '../scripts/layers.ts';

const layers = parseLayers(readFileSync(new URL('../docs/design.md', import.meta.url), 'utf8'));
const root = new URL('../', import.meta.url);
const files = globSync('src/**/*.ts', { cwd: root.pathname });
const read = (file: string) => readFileSync(new URL(file, root), 'utf8');

test('reads the layers from the table in docs/design.md', () => {
  assert.equal(layers.get('core'), 0);
  assert.equal(layers.get('mqtt'), 2);
  assert.equal(layers.get('storage'), layers.get('journal'));
  assert.ok(layers.get('cli')! > layers.get('app')!);
});

test('every file imports its own folder or a lower layer only', () => {
  assert.ok(files.length > 10, `only ${files.length} files found under src/`);
  assert.deepEqual(
    files.flatMap((file) => layerFaults(layers, file, read(file))),
    [],
  );
});

test('tells an upward, a sideways and a testing import from a good one, whatever form it has', () => {
  const faults = (text: string, file = 'src/journal/x.ts') => layerFaults(layers, file, text).map((fault) => fault.split(': ')[1]);
  assert.deepEqual(faults(`import { a } from '../core/id.ts'; import type { B } from './journal.ts'; import 'zod';`), []);
  assert.deepEqual(faults(`import { a } from '../broker/broker.ts';`), ['layer 2 imports layer 4, and that is upward']);
  assert.deepEqual(faults(`import type { A } from '../mqtt/connection.ts';`), ['both are in layer 2, and that is sideways']);
  assert.deepEqual(faults(`const a = await import('../mqtt/connection.ts');`), ['both are in layer 2, and that is sideways']);
  assert.deepEqual(faults(`let a: import('../app/app.ts').App;`), ['layer 2 imports layer 7, and that is upward']);
  assert.deepEqual(faults(`export * from '../app/app.ts';`), ['layer 2 imports layer 7, and that is upward']);
  assert.deepEqual(faults(`import { a } from '../testing/a.ts';`), ['testing/ is for tests only']);
  assert.deepEqual(faults(`import { a } from '../testing/a.ts';`, 'src/journal/x.test.ts'), []);
  assert.deepEqual(faults(`import { a } from '../../bench/a.ts';`), ['it lies outside src/']);
  assert.deepEqual(faults(`import { a } from '../nowhere/a.ts';`), ['nowhere/ is not in the table of docs/design.md']);
});

test('between the rooms of the archive imports go one way', () => {
  const texts = new Map(files.map((file) => [file, read(file)]));
  assert.deepEqual(roundImports('src/archive', texts), []);
  const around = new Map([
    ['src/a/seal/x.ts', `import { y } from '../read/y.ts';`],
    ['src/a/read/y.ts', `import type { K } from '../k.ts';`],
    ['src/a/read/y.test.ts', `import { x } from '../seal/x.ts';`],
    ['src/a/k.ts', `import { z } from '../b/z.ts';`],
  ]);
  assert.deepEqual(roundImports('src/a', around), []);
  around.set('src/a/k.ts', `import type { X } from './seal/x.ts';`);
  assert.deepEqual(roundImports('src/a', around).sort(), [
    'src/a/k.ts imports src/a/seal/x.ts',
    'src/a/read/y.ts imports src/a/k.ts',
    'src/a/seal/x.ts imports src/a/read/y.ts',
  ]);
});

test('what the package ships imports only what the package depends on, or names as a peer', () => {
  const { dependencies, peerDependencies } = JSON.parse(read('package.json'));
  const declared = new Set(Object.keys({ ...dependencies, ...peerDependencies }));
  const undeclared = files
    .filter((file) => !file.endsWith('.test.ts') && !file.startsWith('src/testing/'))
    .flatMap((file) => readImports(read(file)).map((name) => ({ file, name })))
    .filter(({ name }) => !name.startsWith('.') && !name.startsWith('node:') && !builtinModules.includes(name))
    .filter(({ name }) => !declared.has(name.split('/', name.startsWith('@') ? 2 : 1).join('/')));
  assert.deepEqual(undeclared, []);
});

test('an older Node can read the reliable client, so that it is told which one it needs', () => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const name of readImports(read(file))) if (name.startsWith('.')) visit(join(dirname(file), name));
  };
  visit('src/client/index.ts');
  assert.ok(seen.has('src/client/outbox/open-outbox.ts'));
  assert.deepEqual(
    [...seen].filter((file) => /^\s*(await )?using \w|^import \{.*node:sqlite';$/m.test(read(file))),
    [],
  );
});

test('folders are made by a way that ends also below /proc', () => {
  const own = files.filter((file) => !/\.test\.ts$|^src\/testing\//.test(file));
  assert.deepEqual(
    own.filter((file) => /mkdir(Sync)?\(.*recursive: true/.test(read(file))),
    [],
  );
});
