import type { ClientBacklog, ClientDetails, ClientHistoryEntry, ClientInfo } from '../../broker/client-table.ts';
import { formatDuration } from '../../core/units.ts';
import { escapeText } from '../escape.ts';
import type { Io } from '../io.ts';
import { write } from '../io.ts';
import { printRows, type RowColumn } from '../rows.ts';
import { paint } from '../style.ts';

/** What `GET /clients/{id}` says: all of it of a client that is known, its history of one that was. */
export type ShownClient = Partial<ClientDetails> & { client: string; history: ClientHistoryEntry[]; historyTotal: number };

type Time = (ms: number) => string;

export function clientColumns(time: Time): RowColumn<ClientInfo>[] {
  return [
    { title: 'CLIENT', text: ({ client }) => client },
    { title: 'USER', text: ({ user }) => user ?? '-' },
    { title: 'STATE', text: ({ connected }) => (connected ? 'connected' : 'absent') },
    { title: 'SINCE', text: ({ since }) => time(Date.parse(since)) },
    { title: 'ADDRESS', text: ({ remote }) => remote ?? '-' },
    { title: 'DOOR', text: ({ door }) => door ?? '-' },
    { title: 'MQTT', text: ({ protocol }) => protocol ?? '-' },
    { title: 'SUBS', right: true, text: ({ subscriptions }) => String(subscriptions) },
    { title: 'IN FLIGHT', right: true, text: ({ inFlight }) => String(inFlight) },
    { title: 'QUEUED', right: true, text: ({ queued }) => String(queued) },
    { title: 'BEHIND', right: true, text: ({ behind }) => String(behind) },
    { title: 'BACKLOG', right: true, text: ({ outbox }) => (outbox ? backlogText(outbox) : '-') },
    { title: 'EXPIRY', text: ({ sessionExpirySeconds }) => expiryText(sessionExpirySeconds) },
  ];
}

/** For people: what it is, what it has subscribed to, what happened to it. */
export async function printClient(io: Io, shown: ShownClient, time: Time): Promise<void> {
  const heading = (text: string): Promise<void> => write(io.stdout, `\n${paint(io.stdout, io.env, 'bold', text)}\n`, io.signal);
  for (const [name, value] of facts(shown, time)) await write(io.stdout, `${`${name}:`.padEnd(12)} ${escapeText(value)}\n`, io.signal);
  if (shown.filters && shown.filters.length > 0) {
    await heading('Subscriptions');
    await printRows(io, 'table', SUBSCRIPTION_COLUMNS, shown.filters);
  }
  if (shown.history.length === 0) return;
  const { historyTotal, history } = shown;
  await heading(historyTotal > history.length ? `History, the last ${history.length} of ${historyTotal} events` : 'History');
  await printRows(io, 'table', historyColumns(time), history);
}

const SUBSCRIPTION_COLUMNS: RowColumn<ClientDetails['filters'][number]>[] = [
  { title: 'FILTER', text: ({ filter }) => filter },
  { title: 'QOS', right: true, text: ({ qos }) => String(qos) },
  {
    title: 'OPTIONS',
    text: ({ noLocal, retainAsPublished, id, fromHistory }) =>
      [noLocal && 'no-local', retainAsPublished && 'retain-as-published', id !== undefined && `id=${id}`, fromHistory && 'from-history']
        .filter((option) => option !== false)
        .join(' '),
  },
];

function historyColumns(time: Time): RowColumn<ClientHistoryEntry>[] {
  return [
    { title: 'TIME', text: (entry) => time(Date.parse(entry.time)) },
    { title: 'SEQ', right: true, text: ({ seq }) => String(seq) },
    { title: 'EVENT', text: ({ kind }) => kind },
    { title: 'DETAILS', text: ({ details }) => detailsText(details) },
  ];
}

function facts(shown: ShownClient, time: Time): [name: string, value: string][] {
  const { client, user, connected, since, remote, door, protocol } = shown;
  if (since === undefined) return [['client', `${client}, which has no session now`]];
  const state = `${connected ? 'connected' : 'absent'} since ${time(Date.parse(since))}`;
  const rows: [string, string | undefined][] = [
    ['client', client],
    ['user', user],
    ['state', state],
    ['address', remote && `${remote} by ${door}, MQTT ${protocol}`],
    [
      'session',
      shown.sessionExpirySeconds === 0 ? 'ends with the connection' : `is kept ${expiryText(shown.sessionExpirySeconds ?? null)}`,
    ],
    ['deliveries', `${shown.inFlight} in flight, ${shown.queued} queued, ${shown.behind} events behind`],
    ['outbox', shown.outbox && outboxText(shown.outbox, time)],
    ['received', shown.bytesIn === undefined ? undefined : `${shown.packetsIn} packets, ${shown.bytesIn} bytes`],
    [
      'sent',
      shown.bytesOut === undefined ? undefined : `${shown.packetsOut} packets, ${shown.bytesOut} bytes, ${shown.bufferedBytes} waiting`,
    ],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== undefined);
}

/** `1200 (3m5s)`: how many wait, and for how long. */
function backlogText({ depth, oldestAgeMs }: ClientBacklog): string {
  return depth === 0 ? '0' : `${depth} (${formatDuration(Math.max(1000, Math.floor(oldestAgeMs / 1000) * 1000))})`;
}

function outboxText(outbox: ClientBacklog, time: Time): string {
  const { bytes, dropped, quarantined, version, at } = outbox;
  return `${backlogText(outbox)} waiting, ${bytes} bytes, ${dropped} dropped, ${quarantined} in quarantine; told ${time(Date.parse(at))} by Hydrant ${version}`;
}

function expiryText(seconds: number | null): string {
  if (seconds === null) return 'for ever';
  return seconds === 0 ? '-' : formatDuration(seconds * 1000);
}

function detailsText({ client: _, ...details }: Record<string, unknown>): string {
  return Object.entries(details)
    .map(([name, value]) => `${name}=${typeof value === 'string' && /^\S+$/.test(value) ? value : JSON.stringify(value)}`)
    .join(' ');
}
