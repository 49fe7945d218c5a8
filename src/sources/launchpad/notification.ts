import { eventId } from '../event-id.ts';
import type { SourceEvent } from '../source.ts';
import { escapeLevel, joinTopic } from '../topic.ts';
import type { MailHeaders } from './mail-headers.ts';

/** Where a bug's fields have a place of their own in the payload, or none. */
const PLACED = new Set(['bug', 'notification-type', 'bug-commenters', 'bug-tags']);
/** Within what a `Date` and RFC 3339 can both say. */
const LAST_MS = 253_402_300_799_999;

/** Any `X-Generated-By`: what a mail's text says of itself does not count. */
export function isFromLaunchpad(headers: MailHeaders): boolean {
  return headers.all('X-Generated-By').some((value) => value.includes('Launchpad'));
}

/** Whether any header says that not everybody may read it, or that it is about a vulnerability. */
export function isPrivate(headers: MailHeaders): boolean {
  for (const { name, values } of headers) {
    if (/^X-Launchpad-.*(Private|Security-Vulnerability)$/i.test(name) && values.some((value) => value !== '' && !/^no$/i.test(value)))
      return true;
    if (/^X-Launchpad-.*Information-Type$/i.test(name) && values.some((value) => value !== '' && !/^public$/i.test(value))) return true;
  }
  return false;
}

export interface NotificationMail {
  headers: MailHeaders;
  /** As they came: what tells a mail without Message-ID from others. */
  block: Uint8Array;
  /** Undefined when it is left out. */
  body: string | undefined;
}

/** The events of a mail: for a bug one for each of its tasks, for anything else one. */
export function readNotification(mail: NotificationMail, base: string): SourceEvent[] {
  const { headers, block } = mail;
  const timeMs = Date.parse(headers.get('Date') ?? '');
  const time = timeMs >= 0 && timeMs <= LAST_MS ? new Date(timeMs).toISOString() : undefined;
  const identity = headers.get('Message-Id') ?? block;
  const event = (topic: string, schema: string, data: object, ...parts: string[]): SourceEvent => {
    const id = eventId(timeMs, 'launchpad', identity, ...parts);
    return { topic, payload: JSON.stringify(data), schema, data, id, ...(time !== undefined && { time }) };
  };
  const type = headers.get('X-Launchpad-Notification-Type') ?? (headers.get('X-Launchpad-Bug') ? 'bug' : undefined);
  if (type !== 'bug') return [event(base, 'launchpad.notification', readOther(mail), type ?? '')];
  const tasks = new Set(headers.all('X-Launchpad-Bug').filter((value) => value !== ''));
  return [...(tasks.size > 0 ? tasks : [''])].map((text) => {
    const task = readTask(text);
    const data = readBug(mail, task);
    return event(bugTopic(base, task, data['bug-number']), 'launchpad.bug', data, data['bug-number'] ?? '', ...place(task));
  });
}

/** `key=value; key=value;`. */
function readTask(text: string): Map<string, string> {
  const task = new Map<string, string>();
  for (const part of text.split(';')) {
    const at = part.indexOf('=');
    const key = part.slice(0, Math.max(0, at)).trim();
    if (/^[a-z][a-z0-9-]*$/i.test(key)) task.set(key, part.slice(at + 1).trim());
  }
  return task;
}

/** Which of a bug's tasks it is: Launchpad has each of these combinations once. */
function* place(task: Map<string, string>): Iterable<string> {
  for (const key of ['product', 'productseries', 'distribution', 'distroseries', 'sourcepackage']) yield task.get(key) ?? '';
}

/** Levels from left to right, until one is missing. */
function bugTopic(base: string, task: Map<string, string>, number: string | undefined): string {
  const project = projectParts(task);
  return project.length === 0 ? base : joinTopic(base, ...project.map(escapeLevel), 'bug', number);
}

/** A product, or a distribution and the package in it. */
function projectParts(task: Map<string, string>): string[] {
  const product = task.get('product');
  const distribution = task.get('distribution');
  if (product) return [product];
  return distribution ? [distribution, task.get('sourcepackage') ?? ''].filter((part) => part !== '') : [];
}

type BugData = Record<string, unknown> & { 'bug-number': string | undefined };

function readBug({ headers, body }: NotificationMail, task: Map<string, string>): BugData {
  const { status, importance, assignee, product: _, ...more } = Object.fromEntries(task);
  const words = (name: string): string[] => headers.all(name).flatMap((value) => value.split(/\s+/).filter((word) => word !== ''));
  const tags = words('X-Launchpad-Bug-Tags');
  const said: Record<string, string | string[]> = {};
  for (const { name, values } of headers) {
    const field = /^x-launchpad-([a-z0-9-]+)$/.exec(name.toLowerCase())?.[1];
    if (field !== undefined && !PLACED.has(field)) said[field] = values.length === 1 ? values[0]! : [...values];
  }
  const one = (field: string): string | undefined => headers.get(`X-Launchpad-${field}`);
  const data = {
    commenters: words('X-Launchpad-Bug-Commenters'),
    'bug-reporter': one('Bug-Reporter'),
    'bug-modifier': one('Bug-Modifier'),
    'bug-number': bugNumber(headers),
    'event-type': 'bug',
    status,
    project: projectParts(task).join('/') || undefined,
    assignee,
    tags: tags.length > 0 ? tags : undefined,
    importance,
    subject: headers.get('Subject'),
    'message-id': headers.get('Message-Id'),
  };
  const text = { body, truncated: body === undefined ? true : undefined };
  const further = Object.entries({ ...more, ...said }).filter(([field]) => !(field in data || field in text));
  return { ...data, ...Object.fromEntries(further), ...text };
}

/** From the subject, `[Bug 12] …`, behind what a mailing list puts in front of it; else from the address of the bug. */
function bugNumber(headers: MailHeaders): string | undefined {
  const inSubject = /\[Bug (\d{1,18})\]/i.exec(headers.get('Subject') ?? '')?.[1];
  if (inSubject) return inSubject;
  const addresses = `${headers.get('Reply-To') ?? ''} ${headers.get('From') ?? ''}`;
  return /\b(\d{1,18})@bugs\.launchpad\.net\b/.exec(addresses)?.[1];
}

function readOther({ headers, body }: NotificationMail): Record<string, unknown> {
  const data = new Map<string, unknown>();
  for (const { name, values } of headers) if (/^X-Launchpad-/i.test(name)) data.set(name, values.length === 1 ? values[0] : values);
  data.set('Subject', headers.get('Subject')).set('Message-Id', headers.get('Message-Id'));
  data.set('body', body).set('truncated', body === undefined ? true : undefined);
  return Object.fromEntries(data);
}
