import { dirname, resolve } from 'node:path';
import { accountFault } from '../../access/account-name.ts';
import { isPasswordHash } from '../../access/password-hash.ts';
import { isLoopback } from '../../app/config-rules.ts';
import { type AclFile, createSection, joinSections, readAclFile } from './acl-file.ts';
import { type ConfLine, type ImportNote, readConf, readLines } from './conf-line.ts';
import { convertListeners, LISTENER_KEYS, type ListenerLines } from './listeners.ts';
import { convertOption } from './options.ts';

/** What a configuration of Mosquitto comes to. */
export interface Imported {
  /** As a configuration file has it. */
  config: Record<string, unknown>;
  /** Hashes by name; undefined when there is no password file. */
  accounts: Map<string, string> | undefined;
  notes: ImportNote[];
}

const SECURITY = ['allow_anonymous', 'password_file', 'acl_file'] as const;
/** Lines that belong to the `connection` above them. */
const BRIDGE =
  /^(address|addresses|topic|bridge_.*|remote_.*|local_.*|start_type|notification.*|restart_timeout|threshold|idle_timeout|keepalive_interval|try_private|cleansession|round_robin|username|password|clientid)$/;
const EVERYTHING = { publish: ['#'], subscribe: ['#', '$SYS/#'] };

/**
 * Reads mosquitto.conf with its password and ACL files.
 * @throws HYD_USAGE when a file cannot be read
 */
export function importMosquitto(file: string): Imported {
  const notes: ImportNote[] = [];
  const { general, listeners } = sort(readConf(file), notes);
  const config: Record<string, unknown> = {};
  const set = (path: string, value: unknown): void => {
    const names = path.split('.');
    const last = names.pop()!;
    let at = config;
    for (const name of names) {
      at[name] ??= {};
      at = at[name] as Record<string, unknown>;
    }
    at[last] = value;
  };
  const doors = convertListeners(listeners.length > 0 ? listeners : [defaultListener(file)], notes);
  for (const [name, door] of Object.entries(doors.listeners)) set(`listeners.${name}`, door);
  if (Object.values(doors.listeners).some(({ port }) => port === 8080)) set('listeners.http.enabled', false);
  if (Object.keys(doors.tls).length > 0) {
    config.tls = doors.tls;
    // Mosquitto has no HTTPS.
    set('listeners.https.enabled', false);
    for (const name of ['mqtts', 'wss']) if (!doors.listeners[name]) set(`listeners.${name}.enabled`, false);
  }
  if (doors.origins.length > 0) set('http.origins', doors.origins);
  if (doors.connections !== undefined) set('limits.connections', doors.connections);
  for (const line of general.filter(({ key }) => !SECURITY.some((one) => one === key))) {
    const converted = convertOption(line);
    if (typeof converted === 'string') notes.push({ at: line, text: `${line.key} ${line.value}`, why: converted });
    else if (converted) set(...converted);
  }
  const isCertified = doors.certificateUser && doors.tls.clientCertificates !== undefined;
  if (isCertified) set('access.certificateUser', true);
  const security = readSecurity(general, listeners, notes);
  const accounts = security.password_file ? readPasswords(security.password_file, notes) : undefined;
  const allowAnonymous = security.allow_anonymous ? security.allow_anonymous.value === 'true' : listeners.length === 0;
  const acl = security.acl_file ? readAclFile(pathOf(security.acl_file), notes) : undefined;
  const rules = acl ? rulesOf(acl, allowAnonymous) : accounts && allowAnonymous ? { anonymous: EVERYTHING, '*': EVERYTHING } : undefined;
  if (rules) config.acl = rules;
  if (acl) noteDenials(acl, security.acl_file!, notes);
  const isRemote = Object.values(doors.listeners).some(({ host }) => typeof host === 'string' && !isLoopback(host));
  if (isRemote && !accounts && !isCertified && allowAnonymous) set('listeners.allowAnonymousRemote', true);
  const nobody = !accounts && !allowAnonymous && !isCertified;
  notes.sort(({ at: a }, { at: b }) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
  return { config, accounts: nobody ? new Map() : accounts, notes };
}

/** Lines of the broker and of each listener. Those of bridges are not taken over. */
function sort(lines: ConfLine[], notes: ImportNote[]): { general: ConfLine[]; listeners: ListenerLines[] } {
  const general: ConfLine[] = [];
  const listeners: ListenerLines[] = [];
  const early: ConfLine[] = [];
  for (const line of lines) {
    const { key, value } = line;
    if (key === 'listener' || key === 'port') {
      const [port, host] = value.split(/\s+/);
      listeners.push({ line, port: Number(port), host, options: key === 'port' ? early.splice(0) : [] });
    } else if (key === 'connection') {
      notes.push({
        at: line,
        text: `connection ${value}`,
        why: 'bridges are not taken over; let a client republish, or move both brokers’ clients',
      });
    } else if (BRIDGE.test(key)) notes.push({ at: line, text: `${key} ${value}`, why: 'it belongs to a bridge' });
    else if (LISTENER_KEYS.has(key) || (isSecurity(key) && listeners.length > 0)) (listeners.at(-1)?.options ?? early).push(line);
    else general.push(line);
  }
  const bind = early.find(({ key }) => key === 'bind_address');
  const isUsed = bind !== undefined || listeners.length === 0;
  const [first] = early;
  if (first && isUsed) listeners.unshift({ line: first, port: 1883, host: bind?.value ?? '127.0.0.1', options: early });
  else
    for (const line of early)
      notes.push({ at: line, text: `${line.key} ${line.value}`, why: 'it stands above the listeners and belongs to none' });
  return { general, listeners };
}

function isSecurity(key: string): boolean {
  return SECURITY.some((one) => one === key);
}

/** Without any listener Mosquitto serves this machine only. */
function defaultListener(file: string): ListenerLines {
  return { line: { file, line: 1, key: 'port', value: '1883' }, port: 1883, host: '127.0.0.1', options: [] };
}

/** Accounts and rules are the same at every door here: where listeners differ, the first one counts, and anonymous only where all allow it. */
function readSecurity(
  general: ConfLine[],
  listeners: ListenerLines[],
  notes: ImportNote[],
): Partial<Record<(typeof SECURITY)[number], ConfLine>> {
  const found: Partial<Record<(typeof SECURITY)[number], ConfLine>> = {};
  for (const key of SECURITY) {
    const lines = [...general, ...listeners.flatMap(({ options }) => options)].filter((line) => line.key === key);
    const chosen = key === 'allow_anonymous' ? (lines.find(({ value }) => value === 'false') ?? lines[0]) : lines[0];
    if (chosen) found[key] = chosen;
    for (const line of lines) {
      if (line.value === chosen!.value) continue;
      notes.push({ at: line, text: `${key} ${line.value}`, why: `accounts and rules are the same at every door; ${chosen!.value} counts` });
    }
  }
  return found;
}

function readPasswords(line: ConfLine, notes: ImportNote[]): Map<string, string> {
  const accounts = new Map<string, string>();
  const file = pathOf(line);
  for (const { key, value, line: at } of readLines(file)) {
    const [, name = '', hash = ''] = /^([^:]*):(.*)$/.exec(value === '' ? key : `${key} ${value}`) ?? [];
    const fault = isPasswordHash(hash) ? accountFault(name) : 'its password is not hashed: run mosquitto_passwd -U on the file first';
    if (fault) notes.push({ at: { file, line: at }, text: `account ${name}`, why: fault });
    else accounts.set(name, hash);
  }
  return accounts;
}

/** Patterns are for everybody; those with %u for whoever has a name. */
function rulesOf({ anonymous, users, patterns }: AclFile, allowAnonymous: boolean): Record<string, unknown> {
  const rules: Record<string, unknown> = {};
  if (allowAnonymous) {
    const nameless = (filters: string[]): string[] => filters.filter((filter) => !filter.split('/').includes('%u'));
    const { publish, subscribe, deny } = patterns;
    const usable = {
      publish: nameless(publish),
      subscribe: nameless(subscribe),
      deny: { publish: nameless(deny.publish), subscribe: nameless(deny.subscribe) },
    };
    rules.anonymous = joinSections(anonymous, usable);
  }
  for (const [name, section] of users) rules[name] = joinSections(section, patterns);
  rules['*'] = joinSections(createSection(), patterns);
  return rules;
}

/** There a line of a user comes before the patterns; here what is denied is denied. */
function noteDenials({ patterns, users }: AclFile, line: ConfLine, notes: ImportNote[]): void {
  if (patterns.deny.publish.length === 0 || users.size === 0) return;
  notes.push({ at: line, text: `acl_file ${line.value}`, why: 'it has pattern deny: here that also denies what a user’s own lines give' });
}

function pathOf({ file, value }: ConfLine): string {
  return resolve(dirname(file), value);
}
