// Compiles src/ to dist/: JavaScript and declarations, as the package ships them, by the reference compiler. Runs under any Node.
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const done = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (done.status !== 0) process.exit(1);

// The compiler forgets to rewrite `import('./x.ts')` inside what it translates to an older target.
for (const file of readdirSync(dist, { recursive: true }).filter((name) => name.endsWith('.js'))) {
  const missed = /\bimport\('(\.[^']*\.ts)'\)/.exec(readFileSync(join(dist, file), 'utf8'));
  if (missed) throw new Error(`dist/${file} imports ${missed[1]}, which the package does not have`);
}

// The page that http/ serves is not compiled.
cpSync(join(root, 'src/http/page'), join(dist, 'http/page'), { recursive: true });
