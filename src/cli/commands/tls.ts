import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { write } from '../io.ts';
import { wholeNumber } from '../options.ts';
import type { MadePair } from '../tls/self-signed.ts';

interface SelfSignedOptions {
  out: string;
  host?: string[];
  client?: string[];
  days: number;
  force?: boolean;
}

const selfSigned = defineCommand<SelfSignedOptions>({
  name: 'self-signed',
  summary: 'make certificates for a try-out',
  notes: [
    'Makes an authority, a certificate for this server and, with --client, certificates for clients: ECDSA P-256, keys readable by their owner only. It prints how to use them. An authority that is in the folder already signs what is new; nothing is overwritten without --force.',
    'For servers that others rely on, take certificates from an authority that they trust already, such as Let’s Encrypt or your own.',
  ],
  examples: [
    ['hydrant tls self-signed', 'into the folder hydrant-tls, for localhost and the name of this machine'],
    ['hydrant tls self-signed --out /etc/hydrant/tls --host bus.example.org 192.0.2.7', 'for a server with other names'],
    ['hydrant tls self-signed --client gerrit launchpad', 'and certificates for two publishers'],
  ],
  define(command) {
    command
      .option('--out <dir>', 'folder to write to', 'hydrant-tls')
      .option('--host <names...>', 'further names and addresses of the server')
      .option('--client <names...>', 'make certificates for clients with these names')
      .option('--days <n>', 'valid for so many days', wholeNumber(1, 3650), 365)
      .option('--force', 'overwrite what is there');
  },
  async run({ options, io }) {
    const { makeSelfSigned } = await import('../tls/self-signed.ts');
    const { out, host = [], client = [], days, force = false } = options;
    const dir = resolve(out);
    const hosts = [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...host])];
    const renewServer = host.length > 0 || client.length === 0;
    const { pairs, until } = await makeSelfSigned({ dir, hosts, clients: [...new Set(client)], days, renewServer, force }, Date.now());
    await write(io.stdout, report(dir, hosts, pairs, until));
    return undefined;
  },
});

export const tls: CommandDefinition = {
  name: 'tls',
  summary: 'make certificates for a try-out',
  examples: [],
  commands: [selfSigned],
};

function report(dir: string, hosts: string[], pairs: MadePair[], until: Date): string {
  const [ca, server, ...clients] = pairs as [MadePair, MadePair, ...MadePair[]];
  const use = (pair: MadePair): string => {
    if (!pair.made) return 'was there already';
    if (pair === ca) return 'the authority by which clients know the server; keep its key away from others';
    return pair === server ? `the server: ${hosts.join(', ')}` : `the client ${pair.base.slice('client-'.length)}`;
  };
  const wide = Math.max(...pairs.map(({ base }) => base.length));
  const section: [name: string, value: string][] = [
    ['cert', server.cert],
    ['key', server.key],
  ];
  if (clients.length > 0) section.push(['ca', ca.cert], ['clientCertificates', 'optional']);
  const sets = section.map(([name, value]) => `--set ${shellWord(`tls.${name}=${value}`)}`);
  const cafile = shellWord(ca.cert);
  const tries = [`mosquitto_sub -h localhost -p 8883 --cafile ${cafile} -t '#' -v`];
  for (const { cert, key } of clients)
    tries.push(
      `mosquitto_pub -h localhost -p 8883 --cafile ${cafile} --cert ${shellWord(cert)} --key ${shellWord(key)} -t demo/hello -m hello`,
    );
  tries.push(`curl --cacert ${cafile} -d hello https://localhost:8443/t/demo/hello`);
  tries.push(`hydrant sub --url mqtts://localhost:8883 --cafile ${cafile} -t '#' -v`);
  return `In ${dir}, until ${until.toISOString().slice(0, 10)}, each with its .key:
${pairs.map((pair) => `  ${`${pair.base}.pem`.padEnd(wide + 4)}  ${use(pair)}`).join('\n')}

Start the server with them:
  hydrant up ${sets.join(' ')}
or write into its configuration:
  tls:
${section.map(([name, value]) => `    ${name}: ${yamlText(value)}`).join('\n')}

Then, on this machine:
${tries.map((line) => `  ${line}`).join('\n')}
`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function yamlText(text: string): string {
  return /^[\w/.-]+$/.test(text) ? text : JSON.stringify(text);
}
