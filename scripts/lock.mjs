// Completes package-lock.json after `npm install`. A registry mirror may lack the builds of a package for other platforms; npm then leaves
// them out of the lockfile, and `npm ci` refuses a lockfile without them. They are added by name and version; nothing here installs them.
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));
const { packages } = lock;
for (const [path, owner] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
    const own = path === '' ? `node_modules/${name}` : `${path}/node_modules/${name}`;
    if (own in packages || `node_modules/${name}` in packages) continue;
    const platform = platformOf(name);
    if (!platform) throw new Error(`${name} of ${path || 'package.json'} is missing and names no platform: run npm install`);
    const { cpu, libc, os } = platform;
    packages[`node_modules/${name}`] = { version, cpu, dev: owner.dev, libc, optional: true, os };
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);

/** `@biomejs/cli-linux-arm64-musl` → { cpu: ['arm64'], libc: ['musl'], os: ['linux'] } */
function platformOf(name) {
  const match = /[-/](android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32|aix)-(\w+)/.exec(name);
  if (!match) return undefined;
  const libc = name.endsWith('-musl') ? ['musl'] : name.endsWith('-gnu') ? ['glibc'] : undefined;
  return { cpu: [match[2]], libc, os: [match[1]] };
}
