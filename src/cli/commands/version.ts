import { packageVersion } from '../../core/version.ts';
import { defineCommand } from '../command.ts';
import { write } from '../io.ts';

export const version = defineCommand({
  name: 'version',
  summary: 'print the versions of Hydrant and of what it runs on',
  examples: [['hydrant version', 'for a bug report; `hydrant --version` prints the number alone']],
  async run({ io }) {
    await write(io.stdout, `hydrant ${packageVersion()}\nnode ${process.version} ${process.platform}-${process.arch}\n`);
    return undefined;
  },
});
