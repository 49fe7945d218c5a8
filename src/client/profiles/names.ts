import { HydrantError } from '../../core/errors.ts';

/**
 * Names that become levels of topics or of a client id.
 * @throws HYD_USAGE when one is missing, empty, or would change the topic
 */
export function assertNames(profile: string, names: Record<string, string | undefined>): void {
  for (const [option, name] of Object.entries(names)) {
    if (typeof name === 'string' && /^[^/+#\0]+$/.test(name)) continue;
    const given = name === undefined ? 'is missing' : `${JSON.stringify(name)} is no name`;
    throw new HydrantError('HYD_USAGE', `${profile}({ ${option} }) ${given}`, { fix: `Give ${option} as text without / + # and NUL.` });
  }
}

/** @throws HYD_TOPIC */
export function refuseTopic(profile: string, topic: string, allowed: string): never {
  throw new HydrantError('HYD_TOPIC', `the service of the profile ${profile} takes nothing on ${JSON.stringify(topic)}: ${allowed}`, {
    fix: 'Use the channels data and state, which know the topics.',
  });
}
