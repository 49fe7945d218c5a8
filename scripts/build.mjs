// Compiles src/ to dist/: JavaScript and declarations, as the package ships them, and the live page as it is.
// The reference compiler, under any Node.
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
rmSync(join(root, 'dist'), { recursive: true, force: true });
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const done = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (done.status === 0) cpSync(join(root, 'src', 'http', 'page'), join(root, 'dist', 'http', 'page'), { recursive: true });
process.exit(done.status ?? 1);
