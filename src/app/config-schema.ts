import { z } from 'zod';
import { accessOptions, aclOption, presetOption } from '../access/options.ts';
import { brokerOptions } from '../archive/intake/broker-options.ts';
import { compactOptions } from '../archive/upkeep/compact-options.ts';
import { uploadOptions, uploadTarget } from '../archive/upload/upload-options.ts';
import { clientOptions, limitOptions, sessionOptions, sysOptions } from '../broker/options.ts';
import { errorText } from '../core/errors.ts';
import { byteSize, duration, listed } from '../core/option-types.ts';
import { s3Options } from '../storage/options.ts';
import { filterFault } from '../wire/topic.ts';
import { listenerOptions, tlsOptions } from './listener-options.ts';

const filters = () => z.array(listed('topic filters such as "devices/+/debug" or "$noise/#"', filterFault));

const regex = () => listed('regular expressions', regexFault);

/**
 * The whole configuration: one YAML file, `HYDRANT_*` variables and flags all end up in this shape.
 * Every key is read by code; sizes become bytes and durations milliseconds.
 */
/** Of a source: also the name of its folder. */
export const SOURCE_NAME = /^(?!\.{1,2}$)[\w.-]+$/;

export const configSchema = z.strictObject({
  data: z
    .string()
    .min(1)
    .optional()
    .describe("The data folder. Relative to this file. Default: HYDRANT_DATA, else the user's data directory."),
  listeners: listenerOptions.prefault({}),
  tls: tlsOptions.prefault({}),
  preset: presetOption,
  acl: aclOption,
  access: accessOptions.prefault({}),
  http: z
    .strictObject({
      origins: z
        .array(z.string().refine(isOrigin, { error: 'expected origins such as "https://ops.example.org", without a path' }))
        .default([])
        .describe("Origins whose web pages may publish and read here, besides the server's own page."),
    })
    .prefault({}),
  journal: z
    .strictObject({
      qos0: z.boolean().default(true).describe('Journal QoS 0 events too (best effort: dropped and counted under pressure).'),
      exclude: filters()
        .default([])
        .describe('Topic filters of events that are never journalled: delivered live only, without durability.'),
      maxPendingBytes: byteSize({ min: 1024 ** 2 })
        .prefault('64MiB')
        .describe('Bytes waiting for the disk before publishers are held back.'),
      rotate: z
        .strictObject({
          bytes: byteSize({ min: 64 * 1024 })
            .prefault('128MiB')
            .describe('Close a segment at this size.'),
          age: duration().prefault('1h').describe('Close a segment this long after its first event; 0 = never.'),
          idle: duration().prefault('10m').describe('Close a segment after this long without an event; 0 = never.'),
        })
        .prefault({}),
    })
    .prefault({}),
  archive: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('Seal closed segments into compressed objects. Off: they stay in the journal as they are.'),
      layout: z
        .enum(['hive', 'daily'])
        .default('hive')
        .describe('hive: one object per segment under dt=/hour=; daily: one YYYY/YYYYMMDD.json.gz a day (UTC).'),
      codec: z.enum(['gzip', 'zstd']).default('gzip').describe('Compression of sealed objects; the daily layout is gzip always.'),
      exclude: z
        .strictObject({
          filters: filters().default([]).describe('Topic filters of events that the archive leaves out.'),
          regex: z.array(regex()).default([]).describe('Regular expressions searched for in the topic; events that match are left out.'),
        })
        .prefault({}),
      retention: z
        .strictObject({
          bytes: byteSize().prefault(0).describe('Remove the oldest objects beyond this size in all; 0 = keep everything.'),
          age: duration().prefault(0).describe('Remove objects whose events are all older than this; 0 = keep for ever.'),
        })
        .prefault({}),
      compact: compactOptions.prefault({}),
      to: uploadTarget,
      upload: uploadOptions.prefault({}),
      s3: s3Options.prefault({}),
      broker: brokerOptions.prefault({}),
    })
    .prefault({}),
  sessions: sessionOptions.prefault({}),
  limits: limitOptions.prefault({}),
  clients: clientOptions.prefault({}),
  sys: sysOptions.prefault({}),
  sources: z
    .record(
      z.string().regex(SOURCE_NAME, { error: 'expected names of letters, digits, ., - and _' }),
      z.looseObject(
        {
          kind: z
            .string({ error: 'expected a kind such as gerrit' })
            .optional()
            .describe('What it is, such as gerrit; `hydrant source ls`. Default: its name.'),
          strict: z
            .boolean({ error: 'expected true or false' })
            .optional()
            .describe('Refuse events that do not match their schema. Default: publish and count them.'),
        },
        { error: 'expected the options of its kind, as docs/reference/sources.md has them' },
      ),
    )
    .default({})
    .describe('Sources that `hydrant up` runs, by name, each with the options of its kind: docs/reference/sources.md.'),
  health: z
    .strictObject({
      minFreeBytes: byteSize()
        .prefault('64MiB')
        .describe('Below this much free space for the data folder /readyz says that the server is not ready.'),
      host: z.string().min(1).default('127.0.0.1').describe('Address to bind for health.port.'),
      port: z
        .int()
        .min(0)
        .max(65_535)
        .optional()
        .describe(
          'Port on which `hydrant archive` and `hydrant source` answer /healthz, /readyz and /metrics, to anybody; 0 picks a free one. Default: none. A server answers them on its HTTP port.',
        ),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least severe level that is logged.'),
      format: z.enum(['auto', 'json', 'text']).default('auto').describe('auto: text on a terminal, JSON lines otherwise.'),
    })
    .prefault({}),
  shutdown: z
    .strictObject({
      deadline: duration({ minMs: 100 }).prefault('10s').describe('Time to drain after SIGTERM before connections are cut.'),
    })
    .prefault({}),
});

export type Config = z.output<typeof configSchema>;

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

function regexFault(source: string): string | undefined {
  try {
    new RegExp(source, 'u');
    return undefined;
  } catch (error) {
    return errorText(error).replace(/^Invalid regular expression: \/.*\/u: /s, '');
  }
}
