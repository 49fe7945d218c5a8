import type { Command } from 'commander';
import { Option } from 'commander';
import { resolveConnection } from '../connection-options.ts';
import { clientTarget } from '../outbox/client-target.ts';

/** Where a source publishes. Its own upstream has the short names. */
export interface BusOptions {
  url?: string;
  busCafile?: string;
  busCert?: string;
  busKey?: string;
  busInsecure?: boolean;
  busVersion?: '5' | '3.1.1';
}

export function addBusOptions(command: Command): Command {
  return command
    .optionsGroup('Bus:')
    .option(
      '--url <url>',
      'where to publish: mqtt:// mqtts:// ws:// or wss://, with user:password@ if wanted (default: HYDRANT_URL, else mqtt://127.0.0.1:1883; the account also as HYDRANT_USER and HYDRANT_PASSWORD or HYDRANT_PASSWORD_FILE)',
    )
    .option('--bus-cafile <file>', 'certificate authorities to trust there, PEM')
    .option('--bus-cert <file>', 'client certificate for it, PEM')
    .option('--bus-key <file>', 'its key, PEM')
    .option('--bus-insecure', 'do not check the server’s certificate')
    .addOption(new Option('--bus-version <version>', 'MQTT version (default: 5)').choices(['5', '3.1.1']));
}

/** @throws HYD_USAGE */
export function busTarget(options: BusOptions, env: NodeJS.ProcessEnv): ReturnType<typeof clientTarget> {
  const { url, busCafile: cafile, busCert: cert, busKey: key, busInsecure: insecure, busVersion: protocolVersion } = options;
  const given = { url, cafile, cert, key, insecure, protocolVersion, keepalive: 60, connectTimeout: 10_000 };
  return clientTarget(resolveConnection(given, env, 5, '--bus-'));
}
