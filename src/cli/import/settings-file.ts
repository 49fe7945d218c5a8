import { readFileSync } from 'node:fs';
import { isScalar, LineCounter, parseDocument } from 'yaml';
import { errorText, HydrantError } from '../../core/errors.ts';
import { isObject } from '../../core/objects.ts';

const NO_YAML = 'Give a file that is YAML.';

/** A key of a file of settings, with the line it stands in. */
export interface Setting {
  file: string;
  line: number;
  /** In an INI file with its section in front: `mqtt.hostname`. */
  key: string;
  value: string;
}

/**
 * Reads an INI file as Python's ConfigParser does: `=` or `:`, comments with `#` and `;`, values that go on in indented lines, `%(name)s` of the same section.
 * @throws HYD_USAGE when it cannot be read
 */
export function readIni(file: string): Setting[] {
  const settings: Setting[] = [];
  let section = '';
  for (const [at, raw] of readText(file).split(/\r?\n/).entries()) {
    const line = raw.replace(/\s;.*$/, '');
    const last = settings.at(-1);
    const [, name] = /^\[([^\]]+)\]/.exec(line) ?? [];
    const [, key, value = ''] = /^([^\s#;=:][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined) section = name.trim();
    else if (key !== undefined) settings.push({ file, line: at + 1, key: `${section}.${key.toLowerCase()}`, value });
    else if (/^\s+[^\s#;]/.test(line) && last) last.value = `${last.value}\n${line.trim()}`.trim();
  }
  const values = new Map(settings.map((setting) => [setting.key, setting.value]));
  return settings.map((setting) => {
    const own = setting.key.slice(0, setting.key.indexOf('.') + 1);
    const filled = setting.value.replace(/%(%|\(([^)]+)\)s)/g, (found, _, name?: string) =>
      name === undefined ? '%' : (values.get(`${own}${name.toLowerCase()}`) ?? found),
    );
    return { ...setting, value: filled };
  });
}

/**
 * Reads the keys of a YAML file.
 * @throws HYD_USAGE when it cannot be read, or is no YAML
 */
export function readYaml(file: string): Setting[] {
  const lineCounter = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter, prettyErrors: false });
  const [fault] = document.errors;
  if (fault) {
    const { line, col } = lineCounter.linePos(fault.pos[0]);
    throw new HydrantError('HYD_USAGE', `${file}:${line}:${col}: ${fault.message}`, { fix: NO_YAML });
  }
  const root = document.toJS() as unknown;
  if (!isObject(root)) throw new HydrantError('HYD_USAGE', `${file}: it has no keys`, { fix: NO_YAML });
  const { items } = document.contents as unknown as { items: { key: { value: unknown; range: [number] }; value: unknown }[] };
  return items.map(({ key, value }) => ({
    file,
    line: lineCounter.linePos(key.range[0]).line,
    key: String(key.value),
    value: isScalar(value) ? String(value.value ?? '') : JSON.stringify(value ?? ''),
  }));
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new HydrantError('HYD_USAGE', `${file}: ${errorText(error)}`, { cause: error, fix: 'Give a file that exists and is readable.' });
  }
}
