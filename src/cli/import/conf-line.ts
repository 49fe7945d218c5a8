import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { errorText, HydrantError } from '../../core/errors.ts';

/** One line of a file of Mosquitto that says something. */
export interface ConfLine {
  file: string;
  line: number;
  key: string;
  value: string;
}

/** What has no counterpart here, and why. */
export interface ImportNote {
  at: Pick<ConfLine, 'file' | 'line'>;
  text: string;
  why: string;
}

/**
 * Lines of a file without comments and empty ones, each cut behind its first word.
 * @throws HYD_USAGE when it cannot be read
 */
export function readLines(file: string): ConfLine[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new HydrantError('HYD_USAGE', `${file}: ${errorText(error)}`, { cause: error, fix: 'Give a file that exists and is readable.' });
  }
  return text.split(/\r?\n/).flatMap((raw, at) => {
    const [, key, value] = /^\s*([^\s#]\S*)\s*(.*?)\s*$/.exec(raw) ?? [];
    return key === undefined ? [] : [{ file, line: at + 1, key, value: value! }];
  });
}

/** Lines of a configuration, those of its `include_dir`s in their places: files that end in .conf, in the order of their names. */
export function readConf(file: string): ConfLine[] {
  return readLines(resolve(file)).flatMap((line) => {
    if (line.key !== 'include_dir') return [line];
    const folder = resolve(dirname(line.file), line.value);
    const names = readdirSync(folder).filter((name) => name.endsWith('.conf'));
    return names.sort().flatMap((name) => readConf(join(folder, name)));
  });
}
