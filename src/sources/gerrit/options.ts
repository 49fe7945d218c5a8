import { z } from 'zod';
import { byteSize, duration, filePath } from '../../core/option-types.ts';
import { hostOption } from '../host-option.ts';
import { topicOption } from '../topic-option.ts';

/** Keys of the configuration and flags of `hydrant source gerrit`. */
export const OPTIONS = z.strictObject({
  host: hostOption().describe('Name or address of the Gerrit server.'),
  port: z.int().min(1).max(65_535).default(29_418).describe('Port of its SSH.'),
  user: z.string().min(1).describe('Username of the account; it needs the global capability "Stream Events".'),
  key: filePath().optional().describe('File of the private key of that account.'),
  keyPassphrase: z.string().min(1).optional().meta({ secret: true }).describe('Passphrase of the key.'),
  agent: z
    .union([z.boolean(), z.string().min(1)])
    .optional()
    .describe(
      'Use the keys of an SSH agent: true for the one that SSH_AUTH_SOCK names, or the path of its socket. Default without `key`: true.',
    ),
  knownHosts: filePath().optional().describe('File of the keys that servers may have. Default: ~/.ssh/known_hosts.'),
  hostKeyCheck: z
    .enum(['strict', 'off'])
    .default('strict')
    .describe('`strict` connects only to a server whose key is known; `off` connects to any, also to one in between.'),
  base: topicOption().default('gerrit').describe('First levels of the topics.'),
  type: z
    .array(z.string().regex(/^[\w.-]+$/, { error: 'expected a type of event such as comment-added' }))
    .default([])
    .meta({ short: 's' })
    .describe('Only events of this type; give it again for more. Default: all.'),
  refUpdatedMeta: z
    .boolean()
    .default(true)
    .describe('The ref-updated events of refs/changes/*/meta, which come with every comment and vote.'),
  keepAlive: duration({ minMs: 100 }).prefault('30s').describe('How often the server is asked whether it is there.'),
  silence: duration({ minMs: 500 })
    .prefault('95s')
    .describe('Without an event and without an answer for so long the connection is made anew.'),
  maxLine: byteSize({ min: 1024 }).prefault('32MiB').describe('The longest event that is taken; a longer one is a gap.'),
  eventsLog: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .describe(
          "Where Gerrit's pages are: what was missed is read from its events-log plugin there. Without it each interruption is a gap.",
        ),
      user: z.string().min(1).optional().describe('Account to read it with. Default: that of the stream.'),
      password: z.string().min(1).optional().meta({ secret: true }).describe('HTTP password of that account.'),
      timeZone: z
        .string()
        .default('UTC')
        .refine(isTimeZone, { error: 'expected a time zone such as UTC or Europe/Berlin' })
        .describe('Time zone of the Gerrit server: the plugin reads times in it.'),
      delay: duration()
        .prefault('10s')
        .describe('The plugin gets events a little after the stream: so long after it was read it is read once more.'),
    })
    .optional(),
});

export type GerritOptions = z.infer<typeof OPTIONS>;

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
