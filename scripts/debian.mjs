// The Debian packages that the tests use: real peers in several languages, fault injection, a C compiler for the load generator.
import { spawnSync } from 'node:child_process';
import { existsSync, unlinkSync, writeFileSync } from 'node:fs';

const PACKAGES = [
  'mosquitto',
  'mosquitto-clients',
  'python3-paho-mqtt',
  'paho.mqtt.c-examples',
  'golang-go',
  'golang-github-eclipse-paho.mqtt.golang-dev',
  'ceph-mon',
  'ceph-osd',
  'ceph-common',
  'radosgw',
  'openssh-server',
  'dovecot-imapd',
  'gearman-job-server',
  'gearman-tools',
  'ansible-core',
  'subunit',
  'python3-subunit',
  'chromium',
  'strace',
  'faketime',
  'gcc',
  'libc6-dev',
  'curl',
  'jq',
  'openssl',
  'procps',
  'systemd',
];

/** Installs what is missing when root, else prints the one command to run and exits 1. */
export function installDebianPackages() {
  const missing = PACKAGES.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  if (process.getuid() !== 0) {
    console.error(`set-up: the tests need Debian packages that are not installed. Run this once, then run the tests again:`);
    console.error(`        sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing.join(' ')}`);
    process.exit(1);
  }
  console.error(`set-up: apt-get install ${missing.join(' ')} (the tests use them)`);
  try {
    apt('update', '-qq');
    withoutServices(() => apt('install', '-y', '-qq', '--no-install-recommends', ...missing));
  } catch (error) {
    fail(error.message);
  }
  const still = missing.filter((name) => !isInstalled(name));
  if (still.length > 0) fail(`apt-get ended well, yet these are not installed: ${still.join(' ')}`);
}

function isInstalled(name) {
  const query = spawnSync('dpkg-query', ['-W', `-f=\${db:Status-Status}`, name], { encoding: 'utf8' });
  if (query.error) fail('dpkg-query is not there: the tests use Debian 12 and its packages');
  return query.stdout === 'installed';
}

function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const done = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  if (done.status === 0) return;
  process.stderr.write(done.error ? `${done.error.message}\n` : done.stdout + done.stderr);
  throw new Error(`apt-get ${args.join(' ')} failed (see above)`);
}

/** Keeps packages from starting their services meanwhile, so that no broker is left on port 1883. An administrator's own policy stays. */
function withoutServices(install) {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\n# Only while the set-up of Hydrant installs packages.\nexit 101\n', { mode: 0o755 });
  try {
    install();
  } finally {
    if (ours) unlinkSync(policy);
  }
}

function fail(message) {
  console.error(`set-up: ${message}`);
  process.exit(1);
}
