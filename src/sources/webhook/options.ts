import { z } from 'zod';
import { byteSize, duration, filePath } from '../../core/option-types.ts';
import { topicOption } from '../topic-option.ts';
import { hookFaults } from './hook-faults.ts';

const PRESET = z.enum(['github', 'gitlab', 'gerrit', 'launchpad', 'standard-webhooks', 'alertmanager', 'generic']);

const HOOK = {
  preset: PRESET.describe('Who sends: how it signs, and what its events are called.'),
  path: z
    .string()
    .regex(/^\/[\w.~!$&'()*+,;=:@%/-]*$/, { error: 'expected a path such as /github' })
    .default('/')
    .describe('Where it posts to.'),
  secret: z
    .string()
    .min(1)
    .optional()
    .meta({ secret: true })
    .describe('What it signs with, or shows. While it is being changed: both, a line each.'),
  unsigned: z.boolean().default(false).describe('Take what anybody sends who reaches the port, without a secret.'),
  base: topicOption().optional().describe('First levels of the topics. Default: the name of the preset.'),
  topic: z
    .string()
    .min(1)
    .optional()
    .describe(
      'The topic, with names in braces: {base}, {project...}, {event}, {action}, or a path into the body such as {repository.name}; with ... its slashes stay levels. Default: by preset.',
    ),
  maxBody: byteSize({ min: 1024 }).prefault('25MiB').describe('The longest body that is taken.'),
  tolerance: duration({ minMs: 1000 }).prefault('5m').describe('How old a signed time may be, where the sender signs one.'),
  header: z.string().min(1).optional().describe('generic: header of the token (default: Authorization) or of the signature (X-Signature).'),
  hmac: z.enum(['sha1', 'sha256', 'sha512']).optional().describe('generic: the header is a signature of the body, with this hash.'),
  encoding: z.enum(['hex', 'base64']).default('hex').describe('generic: how the signature is written.'),
  idHeader: z.string().min(1).optional().describe('generic: header with an id by which a repeat is told.'),
  eventHeader: z.string().min(1).optional().describe('generic: header that fills {event}.'),
};

const LISTEN = 'expected an address and a port such as 127.0.0.1:8099 or [::]:8099';

const HOOK_OPTIONS = z.strictObject(HOOK);

const ALL = z.strictObject({
  listen: z
    .string()
    .regex(/^(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}$/, { error: LISTEN })
    .refine((listen) => portOf(listen) <= 65_535, { error: LISTEN })
    .default('127.0.0.1:8099')
    .describe('Address and port to listen on.'),
  tlsCert: filePath().optional().describe('Certificate of the port, PEM with its chain. Default: no TLS, for behind a proxy that has it.'),
  tlsKey: filePath().optional().describe('Its key, PEM.'),
  timeout: duration({ minMs: 100 }).prefault('30s').describe('A request that has not come whole by then is cut off.'),
  maxConnections: z.int().min(1).max(65_535).default(512).describe('Connections at a time; what comes beyond is closed.'),
  ...HOOK,
  preset: PRESET.optional().describe('Who sends: how it signs, and what its events are called.'),
  hooks: z.array(HOOK_OPTIONS).default([]).describe('More hooks on the same port, each with a path of its own.'),
});

/** Keys of the configuration and flags of `hydrant source webhook`. */
export const OPTIONS = ALL.superRefine((options, context) => {
  for (const { path, message } of hookFaults(options)) context.addIssue({ code: 'custom', path, message });
});

function portOf(listen: string): number {
  return Number(listen.slice(listen.lastIndexOf(':') + 1));
}

export type WebhookOptions = z.infer<typeof ALL>;
export type HookOptions = z.infer<typeof HOOK_OPTIONS>;
