import { z } from 'zod';
import { byteSize, duration } from '../core/option-types.ts';
import { filterFault } from '../wire/topic.ts';

const filters = () =>
  z.array(
    z
      .string()
      .refine((filter) => filterFault(filter) === undefined, { error: 'expected topic filters such as "devices/+/debug" or "$noise/#"' }),
  );

const listener = (port: number, what: string) => ({
  host: z.string().min(1).default('127.0.0.1').describe(`Address to bind for ${what}. Beyond loopback see listeners.allowAnonymousRemote.`),
  port: z.int().min(0).max(65_535).default(port).describe(`Port for ${what}; 0 picks a free one, which the ready line names.`),
});

/**
 * The whole configuration: one YAML file, `HYDRANT_*` variables and flags all end up in this shape.
 * Every key is read by code; sizes become bytes and durations milliseconds.
 */
export const configSchema = z.strictObject({
  data: z
    .string()
    .min(1)
    .optional()
    .describe("The data folder. Relative to this file. Default: HYDRANT_DATA, else the user's data directory."),
  listeners: z
    .strictObject({
      mqtt: z
        .strictObject({
          enabled: z.boolean().default(true).describe('Accept MQTT over TCP. Websockets stay, on the HTTP port.'),
          ...listener(1883, 'MQTT over TCP'),
        })
        .prefault({}),
      http: z.strictObject(listener(8080, 'HTTP, event streams and MQTT over websockets')).prefault({}),
      allowAnonymousRemote: z
        .boolean()
        .default(false)
        .describe('Bind beyond loopback although anybody who reaches the port may then publish and read everything.'),
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
