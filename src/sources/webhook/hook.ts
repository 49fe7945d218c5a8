import { topicFault } from '../../wire/topic.ts';
import { fillTemplate } from '../topic.ts';
import { textAt } from './json-body.ts';
import type { HookOptions, WebhookOptions } from './options.ts';
import type { Delivery, HookSettings, Preset } from './preset.ts';
import { PRESETS } from './presets.ts';

/** What is taken on one path. */
export interface Hook extends HookSettings {
  readonly preset: Preset;
  /** Template of the topic. */
  readonly topic: string;
  readonly maxBodyBytes: number;
}

/** The hooks of a source, by path. */
export function readHooks(options: WebhookOptions): Map<string, Hook> {
  return new Map(hooksOf(options).map(({ hook }) => [hook.path, readHook(hook)]));
}

/** The one that stands among the options of the source, and those of its list, with where they stand. */
export function hooksOf({ hooks, preset, ...first }: WebhookOptions): { at: (string | number)[]; hook: HookOptions }[] {
  const listed = hooks.map((hook, i) => ({ at: ['hooks', i], hook }));
  return preset === undefined ? listed : [{ at: [], hook: { ...first, preset } }, ...listed];
}

/** Where a delivery goes. What would be no topic, or one longer than MQTT has, goes to the base. */
export function topicFor({ base, topic }: Pick<Hook, 'base' | 'topic'>, { topic: given, fields, data }: Delivery): string {
  const read = (name: string): string | undefined => (Object.hasOwn(fields, name) ? fields[name] : undefined) ?? textAt(data, name);
  const filled = given ?? fillTemplate(topic, read);
  return filled === '' || topicFault(filled) ? base : filled;
}

export function presetOf({ preset }: Pick<HookOptions, 'preset'>): Preset {
  return PRESETS.find(({ name }) => name === preset)!;
}

function baseOf({ base, preset }: Pick<HookOptions, 'base' | 'preset'>): string {
  return base ?? (preset === 'generic' ? 'webhook' : preset);
}

export function secretsOf({ secret = '' }: Pick<HookOptions, 'secret'>): string[] {
  return secret.split(/\r?\n/).filter((line) => line !== '');
}

function readHook(options: HookOptions): Hook {
  const { path, maxBody, tolerance, header, hmac, encoding, idHeader, eventHeader } = options;
  const preset = presetOf(options);
  const base = baseOf(options);
  return {
    preset,
    path,
    secrets: secretsOf(options),
    base,
    topic: (options.topic ?? preset.topic).replaceAll('{base}', () => base),
    maxBodyBytes: maxBody,
    toleranceMs: tolerance,
    generic: { header: header?.toLowerCase(), hmac, encoding, idHeader, eventHeader },
  };
}
