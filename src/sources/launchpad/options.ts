import { z } from 'zod';
import { byteSize, duration, filePath } from '../../core/option-types.ts';
import { hostOption } from '../host-option.ts';
import { topicOption } from '../topic-option.ts';

const TLS = ['on', 'starttls', 'off'] as const;
const AFTER = ['flag', 'expunge', 'leave'] as const;
const IMAPS_PORT = 993;
const IMAP_PORT = 143;

export const launchpadOptions = z.strictObject({
  host: hostOption().describe('The IMAP server.'),
  port: z.int().min(1).max(65_535).optional().describe('Its port. Default: 993, or 143 with `tls` starttls or off.'),
  tls: z.enum(TLS).default('on').describe('`on` from the first byte, `starttls` before the password is sent, `off`.'),
  ca: filePath()
    .optional()
    .describe('PEM file of the authority that signed the certificate of the server. Default: those that Node.js trusts.'),
  insecure: z.boolean().default(false).describe('Do not look at the certificate of the server.'),
  user: z.string().min(1).meta({ short: 'u' }).describe('Who logs in.'),
  password: z.string().min(1).meta({ secret: true }).describe('The password.'),
  mailbox: z.string().min(1).default('INBOX').describe('The folder that Launchpad’s mail arrives in.'),
  base: topicOption().default('launchpad').describe('First levels of the topics.'),
  poll: duration({ minMs: 1000 }).prefault('1m').describe('How often to look for mail, also while the server would tell (IDLE).'),
  timeout: duration({ minMs: 1000 }).prefault('1m').describe('How long the server may be silent when it is asked something.'),
  after: z
    .enum(AFTER)
    .default('flag')
    .describe('What becomes of a mail when the bus has acknowledged its events: `flag` it as read, `expunge` it, `leave` it.'),
  private: z.boolean().default(false).describe('Publish what is private or about a vulnerability too.'),
  maxMail: byteSize({ min: 65_536 }).prefault('25MiB').describe('Of a longer mail only the headers are published.'),
});

export type LaunchpadOptions = z.infer<typeof launchpadOptions>;

export function portOf({ port, tls }: LaunchpadOptions): number {
  return port ?? (tls === 'on' ? IMAPS_PORT : IMAP_PORT);
}
