import { alertmanager } from './alertmanager.ts';
import { generic } from './generic.ts';
import { gerritHooks } from './gerrit-hooks.ts';
import { github } from './github.ts';
import { gitlab } from './gitlab.ts';
import { launchpadHooks } from './launchpad-hooks.ts';
import type { Preset } from './preset.ts';
import { standardWebhooks } from './standard-webhooks.ts';

/** Every sender that is known by name. */
export const PRESETS: readonly Preset[] = [github, gitlab, gerritHooks, launchpadHooks, standardWebhooks, alertmanager, generic];
