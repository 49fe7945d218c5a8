import { join, resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { OutboxDoor } from '../../app/outbox-door.ts';
import type { FullPolicy } from '../../client/outbox/outbox.ts';
import { HydrantError } from '../../core/errors.ts';
import { packageVersion } from '../../core/version.ts';
import { defineCommand } from '../command.ts';
import { addConnectionOptions, type ConnectionOptions, resolveConnection } from '../connection-options.ts';
import { durationMs, sizeBytes, wholeNumber } from '../options.ts';

interface ServeOptions extends ConnectionOptions {
  outbox: string;
  listen?: OutboxDoor | { path: string };
  socketMode: number;
  maxBody: number;
  maxEvents?: number;
  maxBytes?: number;
  maxAge?: number;
  whenFull: FullPolicy;
  status?: boolean;
}

export const outboxServe = defineCommand<ServeOptions>({
  name: 'serve',
  summary: 'keep an outbox for local programs that post to it',
  notes: [
    'POST /t/TOPIC as on a server (docs/reference/http.md): 202 with the id means that the event is on this disk; it is sent, and kept until the broker has acknowledged it. At the bound the answer is 507, when the disk fails 503, both with Retry-After. GET /status and GET /metrics say how it stands.',
    'Runs until SIGTERM or SIGINT, then sends what it can and exits 0; a second signal ends it at once. What is left, the next start sends. It listens on a socket file that is this account’s alone, or on loopback, where every account of this machine may post.',
    'Without a terminal it logs JSON lines, one of which is {"event":"ready","outbox":…,"listen":…}. It tells systemd when it is ready (Type=notify, NotifyAccess=all).',
  ],
  examples: [
    ['hydrant outbox serve --outbox /var/spool/bus --url mqtts://mq.example.org', 'on the socket /var/spool/bus/outbox.sock'],
    ['curl --unix-socket /var/spool/bus/outbox.sock -d 21.5 http://localhost/t/plant/7/temp', 'posts to it'],
    ['hydrant outbox serve --outbox DIR --url mqtt://mq --listen 127.0.0.1:8090 --max-bytes 100MiB', 'over loopback, bounded'],
  ],
  ownSignals: true,
  define(command) {
    command
      .addOption(new Option('--outbox <dir>', 'folder of the outbox, made when missing').makeOptionMandatory())
      .addOption(new Option('--listen <where>', 'unix:PATH or 127.0.0.1:PORT (default: unix:DIR/outbox.sock)').argParser(readListen))
      .addOption(new Option('--socket-mode <mode>', 'permissions of the socket file, octal').argParser(readMode).default(0o600, '0600'))
      .addOption(new Option('--max-body <size>', 'largest payload').argParser(sizeBytes).default(1 << 20, '1MiB'))
      .option('--max-events <count>', 'bound of the outbox (default: 1000000)', wholeNumber(1))
      .addOption(new Option('--max-bytes <size>', 'bound of the outbox (default: 1GiB)').argParser(sizeBytes))
      .addOption(new Option('--max-age <time>', 'older events are dropped (default: none)').argParser(durationMs))
      .addOption(new Option('--when-full <what>', 'at the bound').choices(['reject', 'drop-oldest']).default('reject'))
      .option('--status', 'tell the broker how the outbox stands, for `hydrant clients ls`');
    addConnectionOptions(command);
  },
  async run({ options, io }) {
    const [{ runOutbox }, { clientTarget }] = await Promise.all([import('../../app/run-outbox.ts'), import('../outbox/client-target.ts')]);
    const { listen, socketMode, maxBody, status = false, whenFull, maxEvents, maxBytes, maxAge: maxAgeMs } = options;
    const outbox = resolve(options.outbox);
    const path = listen && 'path' in listen ? resolve(listen.path) : join(outbox, 'outbox.sock');
    const target = clientTarget(resolveConnection(options, io.env, 5));
    return runOutbox({
      inputs: { env: io.env, data: outbox },
      client: { ...target, outbox, status, channels: { '*': { maxEvents, maxBytes, maxAgeMs, whenFull } } },
      door: listen && 'port' in listen ? listen : { path, mode: socketMode },
      maxBodyBytes: maxBody,
      stdout: io.stdout,
      command: ['hydrant', ...process.argv.slice(2)].join(' '),
      version: packageVersion(),
    });
  },
});

function readListen(text: string): { path: string } | { host: string; port: number } {
  const path = /^unix:(.+)$/.exec(text)?.[1];
  if (path !== undefined) return { path };
  const [, host = '', port] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined) throw new InvalidArgumentError('Give unix:PATH, or 127.0.0.1:PORT.');
  const bare = host.replaceAll(/[[\]]/g, '');
  if (bare !== 'localhost' && bare !== '::1' && !/^127\.\d+\.\d+\.\d+$/.test(bare))
    throw new HydrantError('HYD_USAGE', `${bare} is not this machine’s loopback, and nobody is asked who they are here`, {
      fix: 'Listen on 127.0.0.1; for other machines there is `hydrant up`.',
    });
  return { host: bare, port: Number(port) };
}

function readMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) throw new InvalidArgumentError('Give three octal digits, such as 0660.');
  return Number.parseInt(text, 8);
}
