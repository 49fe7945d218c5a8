import { isObject, parseJson } from '../core/objects.ts';

/** What the retained status event of a client says, as JSON. */
export interface ClientStatus {
  client: string;
  /** Of Hydrant in the client. */
  version: string;
  /** Events that wait, their bytes, and the age of the oldest, milliseconds. */
  depth: number;
  bytes: number;
  oldestAgeMs: number;
  /** Since the process began. */
  dropped: number;
  quarantined: number;
  /** When the process began, RFC 3339. */
  since: string;
}

const PREFIX = 'hydrant/status/';
const MAX_BYTES = 4096;
const COUNTS = ['depth', 'bytes', 'oldestAgeMs', 'dropped', 'quarantined'] as const;

/** Where clients tell their status, unless they are told another topic. */
export const STATUS_FILTER = `${PREFIX}+`;

/** `hydrant/status/<client id>`; `/`, `+`, `#` and `%` of a client id are written as `%2F` and so on. */
export function statusTopic(clientId: string): string {
  return `${PREFIX}${clientId.replace(/[/+#%\0]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)}`;
}

/** The status that an event is; undefined when it is something else. */
export function readStatus({ topic, payload }: { topic: string; payload: Uint8Array }): ClientStatus | undefined {
  if (payload.byteLength > MAX_BYTES) return undefined;
  const read = parseJson(payload);
  if (!isObject(read)) return undefined;
  const status = read as Record<keyof ClientStatus, unknown>;
  const { client, version, since } = status;
  if (typeof client !== 'string' || typeof version !== 'string' || typeof since !== 'string') return undefined;
  const isSound = COUNTS.every((name) => typeof status[name] === 'number' && status[name] >= 0) && statusTopic(client) === topic;
  return isSound ? (status as ClientStatus) : undefined;
}
