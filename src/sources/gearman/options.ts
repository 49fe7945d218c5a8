import { hostname } from 'node:os';
import { z } from 'zod';
import { byteSize, duration, listed } from '../../core/option-types.ts';
import type { GearmanServer } from './connection.ts';

const DEFAULT_PORT = 4730;
const ADDRESS = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:[\]/]+))(?::(\d{1,5}))?$/;

/** Of every kind of source that works for gearman servers. */
export function gearmanOptions(functionName: string) {
  return {
    gearman: z
      .array(listed('gearman servers such as "ci.example.org:4730"', addressFault))
      .optional()
      .describe(`a gearman server, HOST or HOST:PORT (default port ${DEFAULT_PORT}); of several, jobs are taken from all`),
    function: z.string().min(1).default(functionName).describe('the function whose jobs are taken'),
    clientId: z
      .string()
      .min(1)
      .optional()
      .describe('what the servers know this worker by (default: the name of this machine, and -pusher)'),
    exceptions: z.boolean().default(false).describe('fail jobs with the reason (WORK_EXCEPTION) for clients that ask for it'),
    silence: duration({ minMs: 10 })
      .prefault('30s')
      .describe('a server that says nothing for so long is asked for a sign of life, and left when it gives none'),
    maxBytes: byteSize({ min: 1 }).prefault('256MiB').describe('the largest file that is fetched, unpacked'),
    timeout: duration({ minMs: 1 }).prefault('10m').describe('how long fetching a file may take'),
    retryFor: duration().prefault('4m15s').describe('how long a file that is not there is tried again, for jobs that ask for it (retry)'),
    host: z.string().min(1).optional().describe('the level of the topic that says who did the job (default: the name of this machine)'),
  };
}

export type GearmanOptions = z.output<z.ZodObject<ReturnType<typeof gearmanOptions>>>;

/** The name of this machine, unless another was given. */
export function hostOf({ host }: Pick<GearmanOptions, 'host'>): string {
  return host ?? hostname();
}

/** @param text as the option was checked */
export function readAddress(text: string): GearmanServer {
  const [, bracketed, name, port] = ADDRESS.exec(text)!;
  return { host: (bracketed ?? name)!, port: Number(port ?? DEFAULT_PORT) };
}

function addressFault(text: string): string | undefined {
  const match = ADDRESS.exec(text);
  if (!match) return 'write HOST or HOST:PORT, and an IPv6 address in brackets';
  const port = Number(match[3] ?? DEFAULT_PORT);
  return port >= 1 && port <= 65_535 ? undefined : `${port} is no port`;
}
