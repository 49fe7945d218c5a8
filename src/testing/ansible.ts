import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StoredEvent } from '../wire/event.ts';
import { Child, type Output, run } from './child.ts';
import { createTempFolder } from './temp-folder.ts';

/** The folder of the callback plugin under test. */
export const PLUGIN_FOLDER = fileURLToPath(new URL('../../integrations/ansible', import.meta.url));
/** The Python that Debian's Ansible runs with. */
export const PYTHON = '/usr/bin/python3';
const RUN_MS = 180_000;

/** Payloads of the plugin, all types in one. */
export interface AnsibleData {
  status: string;
  host: string;
  ansible_host: string;
  ansible_type: string;
  ansible_task: string;
  ansible_result: {
    [field: string]: unknown;
    msg: string;
    results: unknown[];
    item: string;
    censored: string;
    stdout: string;
    rc: number;
    attempts: number;
  };
  ansible_result_bytes: number;
  session: string;
  playbook_id: string;
  playbook_name: string;
  playbook_file: string;
  play_id: string;
  check_mode: boolean;
  ignored: boolean;
  rescued: boolean;
  truncated: boolean;
  stats: Record<string, number>;
  timestamp: string;
  event_id: string;
}

export function dataOf({ payload }: Pick<StoredEvent, 'payload'>): AnsibleData {
  return JSON.parse(Buffer.from(payload).toString());
}

/** A folder with an `ansible.cfg` that loads the plugin, an inventory, playbooks, a home folder and a spool of its own. */
export interface Controller extends AsyncDisposable {
  readonly path: string;
  readonly home: string;
  readonly spool: string;
  /** Writes a file below the folder. @returns its path */
  write(name: string, text: string): Promise<string>;
  /** Runs playbooks to their end. */
  play(args: readonly string[], env: Record<string, string>): Promise<Output>;
  /** Starts a run. */
  start(args: readonly string[], env: Record<string, string>): Child;
}

/** @param inventory YAML */
export async function createController(inventory: string): Promise<Controller> {
  const folder = await createTempFolder('hydrant-ansible');
  const home = join(folder.path, 'home');
  const spool = join(folder.path, 'spool');
  await mkdir(home);
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(folder.path, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    return path;
  };
  await write('ansible.cfg', `[defaults]\ncallback_plugins = ${PLUGIN_FOLDER}\ncallbacks_enabled = hydrant\ninventory = inventory.yml\n`);
  await write('inventory.yml', inventory);
  const environment = (env: Record<string, string>): Record<string, string | undefined> => ({
    ...Object.fromEntries(Object.keys(process.env).flatMap((name) => (/^(HYDRANT|MQTT|ANSIBLE)_/.test(name) ? [[name, undefined]] : []))),
    HOME: home,
    HYDRANT_SPOOL: spool,
    ANSIBLE_CONFIG: join(folder.path, 'ansible.cfg'),
    ANSIBLE_NOCOLOR: '1',
    LC_ALL: 'C.UTF-8',
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    PYTHONDONTWRITEBYTECODE: '1',
    ...env,
  });
  const options = (env: Record<string, string>) => ({ cwd: folder.path, env: environment(env) });
  return {
    path: folder.path,
    home,
    spool,
    write,
    play: (args, env) => run('ansible-playbook', args, { ...options(env), timeoutMs: RUN_MS }),
    start: (args, env) => new Child('ansible-playbook', args, options(env)),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Hosts that are this machine. */
export function localInventory(hosts: readonly string[], more: Record<string, Record<string, unknown>> = {}): string {
  const local = { ansible_connection: 'local', ansible_python_interpreter: PYTHON };
  const all = { ...Object.fromEntries(hosts.map((host) => [host, local])), ...more };
  return JSON.stringify({ all: { hosts: all } });
}

/** The plugin's line at the end of a run, or undefined. */
export function warningOf({ stderr }: Output): string | undefined {
  return /\[WARNING\]: (hydrant: .*)/.exec(stderr)?.[1];
}
