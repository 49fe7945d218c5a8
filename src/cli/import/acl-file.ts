import { patternFault } from '../../access/pattern.ts';
import { type ConfLine, type ImportNote, readLines } from './conf-line.ts';

/** What a section of an ACL file gives and denies. */
export interface AclSection {
  publish: string[];
  subscribe: string[];
  deny: { publish: string[]; subscribe: string[] };
}

export interface AclFile {
  /** Lines above the first `user`: of clients without a name. */
  anonymous: AclSection;
  users: Map<string, AclSection>;
  /** Of everybody. */
  patterns: AclSection;
}

const ACCESS = ['read', 'write', 'readwrite', 'deny'];

export function createSection(): AclSection {
  return { publish: [], subscribe: [], deny: { publish: [], subscribe: [] } };
}

/** Reads an ACL file of Mosquitto: `user`, `topic`, `pattern`. Lines that mean nothing here become notes. */
export function readAclFile(file: string, notes: ImportNote[]): AclFile {
  const acl: AclFile = { anonymous: createSection(), users: new Map(), patterns: createSection() };
  let section = acl.anonymous;
  for (const line of readLines(file)) {
    const { key, value } = line;
    if (key === 'user') {
      section = acl.users.get(value) ?? createSection();
      acl.users.set(value, section);
    } else if (key === 'topic' || key === 'pattern') addTopic(key === 'topic' ? section : acl.patterns, line, notes);
    else notes.push({ at: line, text: `${key} ${value}`, why: 'there is no such line in an ACL file' });
  }
  return acl;
}

function addTopic(section: AclSection, line: ConfLine, notes: ImportNote[]): void {
  const { key, value } = line;
  const [first = '', ...rest] = value.split(' ');
  const named = rest.length > 0 && ACCESS.includes(first);
  const access = named ? first : 'readwrite';
  const filter = named ? rest.join(' ').trimStart() : value;
  const fault = key === 'topic' && /(^|\/)%[uc](\/|$)/.test(filter) ? '%u and %c always stand for somebody here' : patternFault(filter);
  if (fault) {
    notes.push({ at: line, text: `${key} ${value}`, why: fault });
    return;
  }
  if (access === 'deny') {
    section.deny.publish.push(filter);
    section.deny.subscribe.push(filter);
    return;
  }
  if (access !== 'read') section.publish.push(filter);
  if (access !== 'write') section.subscribe.push(filter);
}

/** What two sections give together. */
export function joinSections(one: AclSection, other: AclSection): AclSection {
  const join = (a: string[], b: string[]): string[] => [...new Set([...a, ...b])];
  return {
    publish: join(one.publish, other.publish),
    subscribe: join(one.subscribe, other.subscribe),
    deny: { publish: join(one.deny.publish, other.deny.publish), subscribe: join(one.deny.subscribe, other.deny.subscribe) },
  };
}
