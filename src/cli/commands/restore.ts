import { defineCommand } from '../command.ts';
import { write } from '../io.ts';
import { dataOption } from '../options.ts';
import { Progress } from '../progress.ts';

export const restore = defineCommand<{ data?: string }>({
  name: 'restore',
  summary: 'make a data folder of a backup',
  notes: [
    'The data folder must not exist yet, or be empty. Every file is checked against its hash. The folder gets a new journal id: what it writes can never be taken for what the saved server wrote after the backup. Numbering goes on above the last saved event, and the saved events stay as history under their old id.',
  ],
  examples: [
    ['hydrant restore hydrant.tar.zst -d /srv/hydrant', 'from a file'],
    ['hydrant restore /backup/hydrant', 'from a folder, into the default data folder'],
    ['ssh other cat hydrant.tar | hydrant restore - -d /srv/hydrant', 'from standard input'],
  ],
  define: (command) => void command.argument('<backup>', 'folder, file or -').addOption(dataOption()),
  async run({ args, options, io }) {
    const [{ resolveDataDir }, { restoreBackup }, { resolve }] = await Promise.all([
      import('../../app/data-dir.ts'),
      import('../backup/restore.ts'),
      import('node:path'),
    ]);
    const dataDir = resolveDataDir(options.data, io.env);
    const progress = new Progress(io, 'restore', 'B');
    try {
      const restored = await restoreBackup(args[0] === '-' ? io.stdin : resolve(args[0]!), dataDir, {
        signal: io.signal,
        onProgress: (done) => progress.update(done),
      });
      const { manifest, journal } = restored;
      const report = {
        data: dataDir,
        journal,
        from: manifest.journal,
        head: manifest.head,
        created: manifest.created,
        files: manifest.files.length,
      };
      progress.clear();
      await write(io.stdout, `${JSON.stringify(report)}\n`);
      return undefined;
    } finally {
      progress.clear();
    }
  },
});
