import { defineCommand } from '../command.ts';
import { write } from '../io.ts';
import { dataOption } from '../options.ts';
import { Progress } from '../progress.ts';

export const backup = defineCommand<{ data?: string }>({
  name: 'backup',
  summary: 'save a data folder, also while its server runs',
  notes: [
    'Saves sealed objects, the journal up to its durable mark, sessions and retained messages, and the configuration and accounts in the data folder. Every acknowledged event from before the backup began is in it. TARGET is a new or empty folder, or a file ending in .tar, .tar.gz, .tgz or .tar.zst, or - for a tar on standard output.',
  ],
  examples: [
    ['hydrant backup /backup/hydrant-$(date +%F).tar.zst', 'into one file'],
    ['hydrant backup - | ssh other "cat > hydrant.tar"', 'to another machine'],
    ['hydrant restore hydrant.tar -d /srv/hydrant', 'and back'],
  ],
  define: (command) => void command.argument('<target>', 'folder, file or -').addOption(dataOption()),
  async run({ args, options, io }) {
    const [{ resolveDataDir }, { saveBackup }, { folderSink, tarFileSink, tarSink }] = await Promise.all([
      import('../../app/data-dir.ts'),
      import('../backup/save.ts'),
      import('../backup/sinks.ts'),
    ]);
    const { resolve } = await import('node:path');
    const { readDataFolder } = await import('../../app/data-folder.ts');
    const dataDir = resolveDataDir(options.data, io.env);
    readDataFolder(dataDir);
    const target = args[0]!;
    const isFile = /\.(tar|tar\.gz|tgz|tar\.zst)$/.test(target);
    const sink = target === '-' ? tarSink(io.stdout) : isFile ? await tarFileSink(resolve(target)) : await folderSink(resolve(target));
    const progress = new Progress(io, 'backup', 'B');
    try {
      const manifest = await saveBackup(dataDir, sink, { signal: io.signal, onProgress: (done, total) => progress.update(done, total) });
      progress.clear();
      const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
      const report = { backup: target, data: dataDir, journal: manifest.journal, head: manifest.head, files: manifest.files.length, bytes };
      await write(target === '-' ? io.stderr : io.stdout, `${JSON.stringify(report)}\n`);
      return undefined;
    } catch (error) {
      progress.clear();
      await sink.abort();
      throw error;
    }
  },
});
