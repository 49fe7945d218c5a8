import type { ListenerUrls } from './listeners.ts';

/** What a person at a terminal sees when the server is ready: where it listens, where its data is, what to try next. */
export function readyBanner(ready: {
  version: string;
  dataDir: string;
  listeners: ListenerUrls;
  demo: boolean;
  env: NodeJS.ProcessEnv;
}): string {
  const { listeners, demo } = ready;
  const { mqtt, mqtts, ws, wss, http, https } = listeners;
  const web = http ?? https;
  const broker = mqtt ?? mqtts ?? ws ?? wss;
  const tryOut = [
    broker &&
      `${commandName(ready.env)} sub -t '#' -v${broker === 'mqtt://127.0.0.1:1883' ? '' : ` --url ${broker}`}${caOf(broker, '--cafile')}`,
    web && `curl -d hello ${web}/t/demo/hello${caOf(web, '--cacert')}`,
  ];
  return `
  Hydrant ${ready.version} is ready${demo ? ', with demo events' : ''}

    page        ${web ? `${web}/` : 'off (listeners.http.enabled)'}
    MQTT        ${urls(mqtt, mqtts) || 'off (listeners.mqtt.enabled)'}
    websockets  ${urls(ws, wss) || 'off (listeners.ws.enabled)'}
    publish     ${web ? `${web}/t/TOPIC` : 'over MQTT'}
    data        ${ready.dataDir}

  Try in another terminal:
    ${tryOut.filter(Boolean).join('\n    ')}

  Ctrl-C stops it.

`;
}

/** What a person at a terminal sees when an archiver has its subscription: what goes where, and how to look at it. */
export function archiverBanner(ready: {
  version: string;
  dataDir: string;
  clientId: string;
  broker: { urls: readonly string[]; filters: readonly string[] };
  to: string | undefined;
  env: NodeJS.ProcessEnv;
}): string {
  const { dataDir, broker, to } = ready;
  const name = commandName(ready.env);
  return `
  Hydrant ${ready.version} is archiving

    broker      ${urls(...broker.urls)}
    as          ${ready.clientId}
    topics      ${broker.filters.join('  ')}
    data        ${dataDir}
    archive     ${to ?? 'in the data folder (--to s3://bucket/prefix)'}

  Try in another terminal:
    ${name} archive ls --data ${dataDir}
    ${name} find '#' --since 15m --data ${dataDir}

  Ctrl-C stops it.

`;
}

/** What a person at a terminal sees when local programs can post to an outbox. */
export function outboxBanner(ready: { version: string; outbox: string; url: string; address: string }): string {
  const { version, outbox, url, address } = ready;
  const socket = /^unix:(.*)$/.exec(address)?.[1];
  const curl = socket === undefined ? `curl -d hello ${address}` : `curl -d hello --unix-socket ${socket} http://localhost`;
  return `
  Hydrant ${version} keeps an outbox

    outbox      ${outbox}
    listens on  ${address}
    sends to    ${url}

  Try in another terminal:
    ${curl}/t/demo/hello

  Ctrl-C stops it.

`;
}

/** What a person at a terminal sees when a source runs. */
export function sourceBanner(ready: { version: string; name: string; url: string; folder: string }): string {
  return `
  Hydrant ${ready.version} runs the source ${ready.name}

    publishes   ${ready.url}
    keeps       ${ready.folder}

  Ctrl-C stops it.

`;
}

function urls(...given: readonly (string | undefined)[]): string {
  return given.filter((url) => url !== undefined).join('  ');
}

/** The option that names the authority, where the URL needs one. */
function caOf(url: string, option: string): string {
  return /^(mqtts|wss|https):/.test(url) ? ` ${option} CA.pem` : '';
}

/** How this program was called: from a clone, by npx, or installed. */
function commandName(env: NodeJS.ProcessEnv): string {
  if (env.npm_lifecycle_event === 'start') return 'bin/hydrant';
  return env.npm_command === 'exec' ? 'npx hydrant' : 'hydrant';
}
