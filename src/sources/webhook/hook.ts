import { HydrantError } from '../../core/errors.ts';
import { topicFault } from '../../wire/topic.ts';
import { assertTemplate, fillTemplate } from '../topic.ts';
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

/**
 * The hooks of a source, by path.
 * @throws HYD_CONFIG for a hook that could take nothing, or anything without saying so
 */
export function readHooks({ hooks, preset, ...first }: WebhookOptions): Map<string, Hook> {
  const all: [key: string, HookOptions][] = hooks.map((hook, at) => [`hooks.${at}.`, hook]);
  if (preset !== undefined) all.unshift(['', { ...first, preset }]);
  if (all.length === 0)
    throw new HydrantError('HYD_CONFIG', 'nobody is named who sends', {
      fix: `Give \`preset\`, one of ${PRESETS.map(({ name }) => name).join(', ')}, or \`hooks\`.`,
    });
  const byPath = new Map<string, Hook>();
  for (const [key, options] of all) {
    const hook = readHook(key, options);
    if (byPath.has(hook.path))
      throw new HydrantError('HYD_CONFIG', `${key}path: two hooks have the path ${hook.path}`, { fix: 'Give each a path of its own.' });
    byPath.set(hook.path, hook);
  }
  return byPath;
}

/** Where a delivery goes. A topic that is longer than MQTT's is the base alone. */
export function topicFor({ base, topic }: Pick<Hook, 'base' | 'topic'>, { topic: given, fields, data }: Delivery): string {
  const read = (name: string): string | undefined => (Object.hasOwn(fields, name) ? fields[name] : undefined) ?? textAt(data, name);
  const filled = given ?? fillTemplate(topic, read);
  return filled === '' || topicFault(filled) ? base : filled;
}

function readHook(key: string, options: HookOptions): Hook {
  const { path, secret, unsigned, maxBody, tolerance, header, hmac, encoding, idHeader, eventHeader } = options;
  const preset = PRESETS.find(({ name }) => name === options.preset)!;
  const base = options.base ?? (preset.name === 'generic' ? 'webhook' : preset.name);
  const fault = topicFault(base);
  if (fault)
    throw new HydrantError('HYD_CONFIG', `${key}base: ${JSON.stringify(base)} is no topic: ${fault}`, { fix: 'Give plain levels.' });
  if (preset.topic === '' && options.topic !== undefined)
    throw new HydrantError('HYD_CONFIG', `${key}topic: the preset ${preset.name} has topics of its own`, {
      fix: 'Leave `topic` out; `base` moves them.',
    });
  const topic = (options.topic ?? preset.topic).replaceAll('{base}', () => base);
  if (options.topic !== undefined) assertTemplate(topic, `${key}topic`);
  const ownOfGeneric = Object.entries({ header, hmac, idHeader, eventHeader }).find(([, value]) => value !== undefined);
  if (ownOfGeneric && preset.name !== 'generic')
    throw new HydrantError('HYD_CONFIG', `${key}${ownOfGeneric[0]}: the preset ${preset.name} has headers of its own`, {
      fix: `Leave \`${ownOfGeneric[0]}\` out, or use the preset generic.`,
    });
  const secrets = secret === undefined ? [] : secret.split(/\r?\n/).filter((line) => line !== '');
  if (secrets.length > 0 === unsigned)
    throw new HydrantError('HYD_CONFIG', unsigned ? `${key}unsigned: there is a secret too` : `${key}secret: there is none`, {
      fix: unsigned ? 'Keep one of the two.' : 'Give the secret that the sender has; or `unsigned`, to take what anybody sends.',
    });
  for (const one of secrets) {
    const wrong = preset.secretFault?.(one);
    if (wrong) throw new HydrantError('HYD_CONFIG', `${key}secret: ${wrong}`, { fix: 'Copy the secret from the sender once more.' });
  }
  const settings = { header: header?.toLowerCase(), hmac, encoding, idHeader, eventHeader };
  return { preset, path, secrets, base, topic, maxBodyBytes: maxBody, toleranceMs: tolerance, generic: settings };
}
