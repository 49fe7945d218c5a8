import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Json = Record<string, unknown>;

export interface EventsLogStandIn extends AsyncDisposable {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** What was asked for, `t1` and `t2` as they came. */
  readonly requests: { t1: string; t2: string }[];
  /** Stores an event; it is given from now on. */
  add(event: Json): void;
  /** Answers so, and nothing else, until it is called without a status. */
  fail(status?: number): void;
}

const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;

/** The events-log plugin of Gerrit with its rules: who may ask, how times are written, both ends included, in the order of time, so many at most. */
export async function startEventsLog({ limit = 5_000, utcOffsetHours = 0 } = {}): Promise<EventsLogStandIn> {
  const events: Json[] = [];
  const requests: { t1: string; t2: string }[] = [];
  const user = 'reader';
  const password = 'http pass:word';
  let failure: number | undefined;
  const seconds = (text: string): number => Date.parse(`${text.replace(' ', 'T')}Z`) / 1000 - utcOffsetHours * 3600;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const end = (status: number, body = ''): void => void response.writeHead(status).end(body);
    const { pathname, search } = new URL(request.url ?? '', 'http://x');
    const [t1 = '', t2 = ''] = ['t1', 't2'].map((name) => decodeURIComponent(new RegExp(`[?;]${name}=([^;&]*)`).exec(search)?.[1] ?? ''));
    if (failure !== undefined) return end(failure);
    if (pathname !== '/a/plugins/events-log/events/') return end(404);
    if (request.headers.authorization !== `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`) return end(401);
    if (!TIME.test(t1) || !TIME.test(t2)) return end(400, 'Bad Request');
    requests.push({ t1, t2 });
    const found = events
      .filter(({ eventCreatedOn }) => Number(eventCreatedOn) >= seconds(t1) && Number(eventCreatedOn) <= seconds(t2))
      .toSorted((a, b) => Number(a.eventCreatedOn) - Number(b.eventCreatedOn));
    const lines = found.slice(0, limit).map((event) => `${JSON.stringify(asStored(event))}\n`);
    response.setHeader('content-type', 'application/json;charset=UTF-8');
    // An empty line is no event.
    end(200, `${lines.join('')}\n`);
  };
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    user,
    password,
    requests,
    add: (event) => void events.push(event),
    fail(status) {
      failure = status;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The plugin writes the name of a project as an object, and its keys in an order of its own. */
function asStored(event: Json): Json {
  const turned = Object.fromEntries(Object.entries(event).toReversed());
  return typeof event.project === 'string' ? { ...turned, project: { name: event.project } } : turned;
}
