import { errorText } from '../../core/errors.ts';
import { assertTemplate } from '../topic.ts';
import { hooksOf, presetOf, secretsOf } from './hook.ts';
import type { HookOptions, WebhookOptions } from './options.ts';
import type { Preset } from './preset.ts';
import { PRESETS } from './presets.ts';

/** What is wrong with an option of a hook. */
export interface HookFault {
  path: (string | number)[];
  /** With what to do about it. */
  message: string;
}

/** Hooks that could take nothing, or anything without saying so. */
export function hookFaults(options: WebhookOptions): HookFault[] {
  const all = hooksOf(options);
  if (all.length === 0)
    return [
      { path: ['preset'], message: `nobody is named who sends: give one of ${PRESETS.map(({ name }) => name).join(', ')}, or \`hooks\`` },
    ];
  const [lone, other] = options.tlsCert === undefined ? ['tlsKey', 'tlsCert'] : ['tlsCert', 'tlsKey'];
  const isLone = (options.tlsCert === undefined) !== (options.tlsKey === undefined);
  const ofPort = isLone ? [{ path: [lone], message: `it needs ${other} too: give both, or neither, for behind a proxy with TLS` }] : [];
  const ofHooks = all.flatMap(({ at, hook }, i) => {
    const isTaken = all.slice(0, i).some((other) => other.hook.path === hook.path);
    const faults = [...faultsOf(hook), ...(isTaken ? [{ path: ['path'], message: `another hook has the path ${hook.path} too` }] : [])];
    return faults.map(({ path, message }) => ({ path: [...at, ...path], message }));
  });
  return [...ofPort, ...ofHooks];
}

function faultsOf(hook: HookOptions): HookFault[] {
  const faults: HookFault[] = [];
  const add = (name: keyof HookOptions, message: string): void => void faults.push({ path: [name], message });
  const preset = presetOf(hook);
  const secrets = secretsOf(hook);
  if (secrets.length === 0 && !hook.unsigned)
    add('secret', 'there is none: give what the sender has, or `unsigned`, to take what anybody sends who reaches the port');
  if (secrets.length > 0 && hook.unsigned) add('unsigned', 'there is a secret too; keep one of the two');
  for (const secret of secrets) {
    const fault = preset.secretFault?.(secret);
    if (fault) add('secret', `${fault}; copy it from the sender once more`);
  }
  const template = templateFault(hook.topic, preset);
  if (template) add('topic', template);
  if (preset.name !== 'generic')
    for (const name of ['header', 'hmac', 'idHeader', 'eventHeader'] as const)
      if (hook[name] !== undefined) add(name, `the preset ${preset.name} has headers of its own; leave it out, or use the preset generic`);
  return faults;
}

function templateFault(template: string | undefined, preset: Preset): string | undefined {
  if (template === undefined) return undefined;
  if (preset.topic === '') return `the preset ${preset.name} has topics of its own; \`base\` moves them`;
  try {
    assertTemplate(template, 'it');
    return undefined;
  } catch (error) {
    return errorText(error).replace(/^it: /, '');
  }
}
