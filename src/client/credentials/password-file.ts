import { HydrantError } from '../../core/errors.ts';
import { assertOptions } from './assert-options.ts';
import { type CredentialSource, createSource, Owners } from './credential-source.ts';
import { WatchedFile } from './watched-file.ts';

/**
 * A password that stands in a file, alone, as secrets of a container or of systemd do; the line's end does not belong to it. It is taken over
 * when the file is replaced. While the file is empty or gone a client that runs goes on with the one before.
 * @throws HYD_USAGE
 */
export function passwordFile(path: string, options: { username: string }): CredentialSource {
  assertOptions('passwordFile()', { path, ...options }, ['path', 'username'], ['path', 'username']);
  const { username } = options;
  const owners = new Owners();
  const file = new WatchedFile<string>(path, {
    what: 'password file',
    parse: (bytes) => {
      const password = bytes.toString('utf8').replace(/\r?\n$/, '');
      if (password !== '') return password;
      throw new HydrantError('HYD_CREDENTIALS', `the password file ${path} is empty`, { fix: 'Write the password into it.' });
    },
    isSame: (one, other) => one === other,
    log: owners.log,
  });
  return createSource(
    async () => ({ username, password: await file.read() }),
    owners,
    (onReplaced) => file.watch(onReplaced),
  );
}
