import type { ListenerUrls } from './server.ts';

/** What a person at a terminal sees when the server is ready: where it listens, where its data is, what to try next. */
export function readyBanner(ready: {
  version: string;
  dataDir: string;
  listeners: ListenerUrls;
  demo: boolean;
  env: NodeJS.ProcessEnv;
}): string {
  const { listeners, demo } = ready;
  const hydrant = commandName(ready.env);
  const url = listeners.mqtt ?? listeners.ws;
  const to = url === 'mqtt://127.0.0.1:1883' ? '' : ` --url ${url}`;
  return `
  Hydrant ${ready.version} is ready${demo ? ', with demo events' : ''}

    page        ${listeners.http}/
    MQTT        ${listeners.mqtt ?? 'off (listeners.mqtt.enabled)'}
    websockets  ${listeners.ws}
    publish     ${listeners.http}/t/TOPIC
    data        ${ready.dataDir}

  Try in another terminal:
    ${hydrant} sub -t '#' -v${to}
    curl -d hello ${listeners.http}/t/demo/hello

  Ctrl-C stops it.

`;
}

/** How this program was called: from a clone, by npx, or installed. */
function commandName(env: NodeJS.ProcessEnv): string {
  if (env.npm_lifecycle_event === 'start') return 'bin/hydrant';
  return env.npm_command === 'exec' ? 'npx hydrant' : 'hydrant';
}
