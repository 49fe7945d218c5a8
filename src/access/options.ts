import { z } from 'zod';
import { duration, filePath } from '../core/option-types.ts';
import { patternFault } from './pattern.ts';

const patterns = () =>
  z.array(
    z.string().refine((pattern) => patternFault(pattern) === undefined, {
      error: 'expected topic filters such as "devices/+/state" or "%u/#", with %u and %c as whole levels',
    }),
    { error: 'expected a list of topic filters' },
  );

/** Refuses keys that are none, in words that say which there are. */
function strict<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: ({ code, keys }) =>
      code === 'unrecognized_keys' ? `there is no key ${(keys as string[]).join(', ')} (known here: ${known})` : `expected keys: ${known}`,
  });
}

const rule = strict({
  publish: patterns().default([]),
  subscribe: patterns().default([]),
  deny: strict({ publish: patterns().default([]), subscribe: patterns().default([]) }).prefault({}),
});

/** Starting points for the rules. A key of the configuration. */
export const presetOption = z
  .enum(['open', 'firehose'])
  .default('open')
  .describe(
    'Rules to start from. open: none. firehose: anonymous clients read everything, each account writes below its own name. Entries of acl replace those of the preset.',
  );

/** Who may publish and read what. A key of the configuration. */
export const aclOption = z
  .record(z.string().min(1), rule)
  .default({})
  .meta({ examples: ['{ann: {publish: ["%u/#"], subscribe: ["#"], deny: {subscribe: [secret/#]}}}'] })
  .describe(
    'Per account, anonymous, or * for every account without an entry: filters it may publish and subscribe to; deny wins; %u is the user, %c the client id. With any entry, what is not listed is denied.',
  );

/** Algorithms of JSON Web Tokens that need no shared secret. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;

/** How somebody proves who they are. A section of the configuration. */
export const accessOptions = z.strictObject({
  users: filePath().optional().describe('Password file, written by `hydrant user`. Default: users in the data folder.'),
  admins: z.array(z.string().min(1)).default([]).describe("Users who may list and end other clients' connections."),
  refusedPublish: z
    .enum(['drop', 'close'])
    .default('drop')
    .describe(
      'MQTT 3.x clients that publish what they may not: drop acknowledges and drops, close ends the connection. MQTT 5 has a reason code.',
    ),
  certificateUser: z
    .boolean()
    .default(false)
    .describe('The name in a verified client certificate is the user; no password is asked for. Needs tls.clientCertificates.'),
  waitingLogins: z
    .int()
    .min(1)
    .max(100_000)
    .default(200)
    .describe('Logins that may wait for their password to be checked; more are refused.'),
  attempts: z
    .strictObject({
      free: z.int().min(1).max(1_000_000).default(5).describe('Failed logins of an address before its logins are slowed.'),
      delay: duration({ minMs: 10 })
        .prefault('250ms')
        .describe('Delay after the first failed login beyond that; doubled by each further one.'),
      maxDelay: duration({ minMs: 10 }).prefault('10s').describe('Longest delay. On loopback, where a proxy may stand for many, a second.'),
      forget: duration({ minMs: 1000 }).prefault('10m').describe('Failed logins are forgotten this long after the last one.'),
      waiting: z.int().min(1).max(10_000).default(10).describe('Slowed logins of one address that wait at once; more are refused at once.'),
    })
    .prefault({}),
  jwt: z
    .strictObject({
      keys: filePath()
        .refine(isKeyLocation, { error: 'expected a file, or an https:// URL without a password (http:// on loopback only)' })
        .optional()
        .describe(
          'Public keys of tokens: a JWKS or PEM file, or the https:// URL of a JWKS. With it JSON Web Tokens are taken as passwords.',
        ),
      issuer: z.string().min(1).optional().describe('Issuer (iss) that a token must name.'),
      audience: z.string().min(1).optional().describe('Audience (aud) that a token must name.'),
      algorithms: z.array(z.enum(ALGORITHMS)).min(1).default(['RS256', 'ES256', 'EdDSA']).describe('Signatures that are taken.'),
      userClaim: z.string().min(1).default('sub').describe('Claim that names the user.'),
      aclClaim: z
        .string()
        .min(1)
        .default('acl')
        .describe('Claim with {publish: […], subscribe: […]}: instead of what acl gives this user. What acl denies stays denied.'),
      clockSkew: duration({ maxMs: 600_000 }).prefault('10s').describe('How far the clock of the issuer may be off.'),
    })
    .prefault({}),
});

/** The claim of a token that stands instead of a rule. */
export const grantsClaim = z.strictObject({ publish: patterns().default([]), subscribe: patterns().default([]) });

export type AccessConfig = z.output<typeof accessOptions>;

function isKeyLocation(text: string): boolean {
  if (!isUrl(text)) return true;
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  const loopback = hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';
  return username === '' && password === '' && (protocol === 'https:' || (protocol === 'http:' && loopback));
}

/** Whether a place of keys is to be fetched. */
export function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
}
