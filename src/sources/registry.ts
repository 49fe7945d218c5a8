import { gerrit } from './gerrit/gerrit.ts';
import { launchpad } from './launchpad/launchpad.ts';
import { logs } from './logs/logs.ts';
import { exec } from './pipe/exec.ts';
import { stdin } from './pipe/stdin.ts';
import type { SourceKind } from './source.ts';
import { subunit } from './subunit/subunit.ts';
import { webhook } from './webhook/webhook.ts';

/** Every kind of source, in the order of `hydrant source ls`. A new one is a folder beside this file and a line here. */
export const SOURCES: readonly SourceKind[] = [gerrit, launchpad, subunit, logs, webhook, stdin, exec];
