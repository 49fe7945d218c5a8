// Makes node_modules match package-lock.json. Runs before `npm start` and `npm test`, under whatever Node is there (18 or newer).
// With --debian it also installs the Debian packages that the tests need.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installDebianPackages } from './debian.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const nodePackage = `node-${process.platform === 'darwin' ? 'bin-darwin' : process.platform}-${process.arch}`;

const reason = whatIsMissing();
if (reason) {
  installModules(reason);
  await warmUp();
}
if (process.argv.includes('--debian')) installDebianPackages();

/** Why node_modules does not match the lockfile, or undefined when it does. */
function whatIsMissing() {
  const wanted = readPackages('package-lock.json');
  const present = readPackages(join('node_modules', '.package-lock.json'));
  if (!present) return 'nothing is installed';
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = present[path];
    if (found?.version === entry.version && found?.integrity === entry.integrity) continue;
    if (!found && entry.optional && path !== `node_modules/${nodePackage}`) continue;
    return `${path} is ${found ? 'another version' : 'missing'}`;
  }
  const extra = Object.keys(present).find((path) => !(path in wanted));
  if (extra) return `${extra} is no longer wanted`;
  if (`node_modules/${nodePackage}` in wanted && !existsSync(join(root, 'node_modules', nodePackage, 'bin', 'node')))
    return 'Node 24 is missing';
  return undefined;
}

function readPackages(file) {
  const path = join(root, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : undefined;
}

function installModules(why) {
  console.error(`set-up: npm ci --ignore-scripts (${why})`);
  // Not with the Node in node_modules, which npm ci is about to remove.
  const inside = join(root, 'node_modules') + sep;
  const path = process.env.PATH.split(delimiter).filter((dir) => !dir.startsWith(inside));
  const done = spawnSync('npm', ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--loglevel=error'], {
    cwd: root,
    env: { ...process.env, PATH: path.join(delimiter) },
    stdio: ['ignore', process.stderr.fd, 'pipe'],
    encoding: 'utf8',
  });
  if (done.status === 0) return;
  const output = done.error ? done.error.message : done.stderr;
  // npm ends some errors with its whole usage text.
  if (output) process.stderr.write(`${output.split(/^npm error Clean install/m)[0].trimEnd()}\n`);
  if (/\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b/.test(output)) {
    console.error(
      'set-up: the npm registry cannot be reached, and the packages of package-lock.json are needed once. To fix it: check the network and',
    );
    console.error('        the output of `npm config get registry` and `npm config get proxy`, then run the same command again.');
  } else {
    console.error(
      'set-up: npm could not install what package-lock.json lists. To fix it: correct what npm says above, then run the same command again.',
    );
  }
  process.exit(1);
}

/**
 * Starts a server once, on a folder of its own, so that its compiled code is kept: the first real start is then as quick and as small
 * as any other. Nothing depends on it.
 */
async function warmUp() {
  const data = mkdtempSync(join(tmpdir(), 'hydrant-set-up-'));
  const ports = ['--set', 'listeners.mqtt.port=0', '--set', 'listeners.http.port=0'];
  const server = spawn(join(root, 'bin', 'hydrant'), ['up', '--data', data, ...ports], { stdio: ['ignore', 'pipe', 'ignore'] });
  const late = setTimeout(() => server.kill('SIGKILL'), 20_000);
  server.stdout.once('data', () => server.kill('SIGTERM'));
  await new Promise((resolve) => server.once('close', resolve).once('error', resolve));
  clearTimeout(late);
  rmSync(data, { recursive: true, force: true });
}
