import { Argument } from 'commander';
import { type Call, defineCommand } from '../command.ts';
import { completionScript, SHELLS, type Shell } from '../completion-scripts.ts';
import { write } from '../io.ts';

export const completion = defineCommand({
  name: 'completion',
  summary: 'print a completion script for your shell',
  examples: [
    ['source <(hydrant completion bash)', 'for this shell; put it into ~/.bashrc for every one'],
    ['hydrant completion zsh > ~/.zfunc/_hydrant', 'zsh; ~/.zfunc must be in fpath'],
    ['hydrant completion fish > ~/.config/fish/completions/hydrant.fish', 'fish'],
  ],
  define: (command) => void command.addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(SHELLS)),
  async run({ args, io }: Call<unknown>) {
    const [{ buildProgram }, { loadCommands }] = await Promise.all([import('../program.ts'), import('../commands.ts')]);
    const commands = await loadCommands();
    await write(
      io.stdout,
      completionScript(
        args[0] as Shell,
        buildProgram(commands, io, async () => {}),
      ),
    );
    return undefined;
  },
});
