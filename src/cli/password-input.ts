import { readFile } from 'node:fs/promises';
import type { ReadStream } from 'node:tty';
import { errorText, HydrantError } from '../core/errors.ts';
import type { Io } from './io.ts';

const MAX_BYTES = 65_535;

/**
 * A new password: from a file or standard input without its last newline, else typed twice at the terminal, where it is not shown.
 * @param file `-` is standard input
 * @throws HYD_USAGE
 */
export async function readNewPassword(io: Io, file: string | undefined): Promise<string> {
  const password = file === undefined ? await typeTwice(io) : await readGivenPassword(io, file);
  if (password === '') throw new HydrantError('HYD_USAGE', 'the password is empty', { fix: 'Give one, or let --generate make one.' });
  if (Buffer.byteLength(password) > MAX_BYTES) throw new HydrantError('HYD_USAGE', `the password has more than ${MAX_BYTES} bytes`);
  return password;
}

async function readGivenPassword({ stdin }: Io, file: string): Promise<string> {
  let text = '';
  if (file === '-') for await (const chunk of stdin.setEncoding('utf8')) text += chunk;
  else {
    text = await readFile(file, 'utf8').catch((error: unknown) => {
      throw new HydrantError('HYD_USAGE', `--password-file ${file}: ${errorText(error)}`, { fix: 'Give a file that is readable, or -.' });
    });
  }
  return text.replace(/\r?\n$/, '');
}

async function typeTwice(io: Io): Promise<string> {
  const terminal = io.stdin as ReadStream;
  if (!terminal.isTTY) {
    throw new HydrantError('HYD_USAGE', 'there is no terminal to type a password at', {
      fix: 'Give it with --password-file FILE, or - for standard input; or let --generate make one.',
    });
  }
  const password = await typeHidden(io, terminal, 'Password: ');
  if ((await typeHidden(io, terminal, 'Again: ')) === password) return password;
  throw new HydrantError('HYD_USAGE', 'the two passwords differ', { fix: 'Run the command again.' });
}

/** One line, not shown. The keys that end, erase and interrupt do what they always do. */
async function typeHidden({ stderr, signal }: Io, terminal: ReadStream, prompt: string): Promise<string> {
  // Before the prompt: what is typed ahead of this is shown.
  terminal.setRawMode(true).setEncoding('utf8').resume();
  stderr.write(prompt);
  const typed: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const interrupted = (): void => reject(signal.aborted ? signal.reason : new HydrantError('HYD_ABORTED', 'interrupted'));
  const onData = (text: string): void => {
    for (const key of text) {
      if (key === '\r' || key === '\n') return resolve(typed.join(''));
      if (key === '\x03' || key === '\x04') return interrupted();
      if (key === '\x7f' || key === '\b') typed.pop();
      else if (key === '\x15') typed.length = 0;
      else typed.push(key);
    }
  };
  terminal.on('data', onData);
  signal.addEventListener('abort', interrupted, { once: true });
  try {
    return await promise;
  } finally {
    terminal.off('data', onData).pause();
    terminal.setRawMode(false);
    signal.removeEventListener('abort', interrupted);
    stderr.write('\n');
  }
}
