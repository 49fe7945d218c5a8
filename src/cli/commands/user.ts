import { HydrantError } from '../../core/errors.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { type Io, write } from '../io.ts';
import { type Format, outputOption } from '../options.ts';
import { chosenFormat, printRows } from '../rows.ts';
import { addConfigOptions, type ConfigOptions } from './config.ts';

const GENERATED_BYTES = 18;

const NOTE =
  'The password file is access.users of the configuration, else users in the data folder. A server that runs on that folder takes the change over at once.';

const add = defineCommand<ConfigOptions & { passwordFile?: string; generate?: boolean }>({
  name: 'add',
  summary: 'add an account, or give it another password',
  notes: ['Without an option the password is typed twice and not shown.', NOTE],
  examples: [
    ['hydrant user add sensor1 --generate', 'make a password, and print it once'],
    ['hydrant user add ann --password-file - < secret.txt', 'from standard input, for scripts'],
  ],
  define: (command) =>
    void addConfigOptions(command.argument('<name>', 'one topic level: no : / + or #'))
      .option('--password-file <file>', 'read the password from a file; - is standard input')
      .option('--generate', 'make a password and print it'),
  async run({ args, options, io }) {
    const [{ accountFault }, { hashPassword }] = await Promise.all([
      import('../../access/account-name.ts'),
      import('../../access/password-hash.ts'),
    ]);
    const name = args[0]!;
    const fault = accountFault(name);
    if (fault) throw new HydrantError('HYD_USAGE', `${JSON.stringify(name)}: ${fault}`, { fix: 'Choose another name.' });
    if (options.generate && options.passwordFile !== undefined)
      throw new HydrantError('HYD_USAGE', '--generate and --password-file exclude each other', { fix: 'Leave one of them out.' });
    const place = await findPlace(options, io);
    const { randomBytes } = await import('node:crypto');
    const { readNewPassword } = await import('../password-input.ts');
    const password = options.generate
      ? randomBytes(GENERATED_BYTES).toString('base64url')
      : await readNewPassword(io, options.passwordFile);
    const hash = hashPassword(Buffer.from(password));
    let [isNew, isFirst] = [true, false];
    await place.change((before) => {
      isNew = !before.has(name);
      isFirst = before.size === 0;
      return new Map([...before, [name, hash]]);
    });
    if (options.generate) await write(io.stdout, `${password}\n`);
    await say(io, `${isNew ? 'added' : 'changed the password of'} ${name} in ${place.path}`);
    await takeOver(place.dataDir, io);
    if (isFirst && place.isOpen) await say(io, 'only accounts are let in from then on; with `up --preset firehose` anybody may read');
    return undefined;
  },
});

const rm = defineCommand<ConfigOptions>({
  name: 'rm',
  summary: 'remove accounts',
  notes: [`${NOTE} Connections of the accounts are ended.`],
  examples: [['hydrant user rm sensor1', 'it cannot log in any more']],
  define: (command) => void addConfigOptions(command.argument('<name...>', 'accounts')),
  async run({ args, options, io }) {
    const place = await findPlace(options, io);
    await place.change((before) => {
      const missing = args.filter((name) => !before.has(name));
      if (missing.length > 0)
        throw new HydrantError('HYD_USAGE', `there is no account ${missing.join(', ')} in ${place.path}`, {
          fix: 'Run `hydrant user ls` for those there are.',
        });
      return new Map([...before].filter(([name]) => !args.includes(name)));
    });
    await say(io, `removed ${args.join(', ')} from ${place.path}`);
    await takeOver(place.dataDir, io);
    return undefined;
  },
});

const ls = defineCommand<ConfigOptions & { output?: Format }>({
  name: 'ls',
  summary: 'list accounts',
  examples: [['hydrant user ls', 'names, and how each password is hashed']],
  define: (command) => void addConfigOptions(command).addOption(outputOption()),
  async run({ options, io }) {
    const place = await findPlace(options, io);
    const rows = Array.from(place.read(), ([name, hash]) => ({ name, hash: HASH_KINDS[hash.split('$', 2)[1]!] ?? 'scrypt' }));
    const columns = [
      { title: 'NAME', text: (row: (typeof rows)[number]) => row.name },
      { title: 'HASH', text: (row: (typeof rows)[number]) => row.hash },
    ];
    await printRows(io, chosenFormat(io, options.output), columns, rows);
    return undefined;
  },
});

/** How a password is hashed, by the first part of the hash. */
const HASH_KINDS: Record<string, string> = { '6': 'sha512 (Mosquitto)', '7': 'pbkdf2 (Mosquitto)' };

export const user: CommandDefinition = {
  name: 'user',
  summary: 'add, remove or list accounts',
  examples: [],
  commands: [add, rm, ls],
};

/** Where the accounts are, as the server would find them. */
async function findPlace(options: ConfigOptions, io: Io) {
  const [{ loadConfig }, { usersPath }, { changeAccounts }, { readAccounts }, { folderHolder }] = await Promise.all([
    import('../../app/config.ts'),
    import('../../app/server-access.ts'),
    import('../../app/users-file.ts'),
    import('../../access/password-file.ts'),
    import('../../app/folder-lock.ts'),
  ]);
  const loaded = loadConfig({ env: io.env, file: options.config, data: options.data, sets: options.set });
  const path = usersPath(loaded);
  const { dataDir } = loaded;
  const used = folderHolder(dataDir)?.users;
  if (used !== undefined && used !== path) {
    throw new HydrantError('HYD_USAGE', `the server on ${dataDir} reads its accounts from ${used}, not from ${path}`, {
      fix: 'Give this command the configuration of the server: --config FILE.',
    });
  }
  const { preset, acl } = loaded.config;
  const isOpen = preset === 'open' && Object.keys(acl).length === 0;
  return {
    path,
    dataDir,
    isOpen,
    read: () => readAccounts(path) ?? new Map<string, string>(),
    change: changeAccounts.bind(undefined, path),
  };
}

async function takeOver(dataDir: string, io: Io): Promise<void> {
  const { reloadServer } = await import('../../app/running-server.ts');
  const pid = await reloadServer(dataDir, io.signal);
  await say(io, pid === undefined ? 'the next start of the server takes it over' : `the running server (process ${pid}) has taken it over`);
}

/** Beside what is asked for, so that a generated password can be piped. */
function say(io: Io, text: string): Promise<void> {
  return write(io.stderr, `${text}\n`);
}
