import { dirname, resolve } from 'node:path';
import { readSourceOptions } from '../../app/source-options.ts';
import { HydrantError } from '../../core/errors.ts';
import { SOURCES } from '../../sources/registry.ts';
import type { ImportNote } from './conf-line.ts';
import { address, type Publisher } from './publishers.ts';
import { readIni, readYaml, type Setting } from './settings-file.ts';

/** What the configuration of a publisher comes to. */
export interface ImportedPublisher {
  /** As a configuration file has it. */
  config: { sources: Record<string, Record<string, unknown>> };
  /** Lines about where it published, and how to go on doing so. */
  bus: string[];
  notes: ImportNote[];
}

/**
 * Reads the configuration file of a publisher.
 * @throws HYD_USAGE when it cannot be read or lacks what a source needs; HYD_CONFIG for values that mean nothing here
 */
export function importPublisher(publisher: Publisher, file: string): ImportedPublisher {
  const settings = new Map((publisher.format === 'ini' ? readIni : readYaml)(file).map((setting) => [setting.key, setting]));
  const used = new Set<string>();
  const text = (key: string): string | undefined => {
    used.add(key);
    const value = settings.get(key)?.value;
    // `None` is how Python writes that there is none.
    return value === '' || value === 'None' ? undefined : value;
  };
  const options = publisher.convert(text, file);
  const bus = busLines(publisher, text, settings, file);
  const kind = SOURCES.find(({ name }) => name === publisher.kind)!;
  const nameOf = (path: readonly PropertyKey[]): string => {
    const value = path.reduce<unknown>((at, name) => (at as Record<PropertyKey, unknown> | undefined)?.[name], options);
    const at = [...settings.values()].find((setting) => used.has(setting.key) && setting.value === value);
    return at ? `${at.file}:${at.line}: ${at.key}` : path.join('.');
  };
  const { faults } = readSourceOptions(kind, [{ options, nameOf, baseOf: () => dirname(file) }]);
  if (faults.length > 0)
    throw new HydrantError('HYD_CONFIG', faults.map(({ text }) => text).join('\n'), {
      fix: `Correct ${file}, which it was made from.`,
    });
  const notes = [...settings.values()]
    .filter(({ key }) => !used.has(key))
    .map((at) => ({ at, text: at.key, why: publisher.reasons[at.key] ?? `${publisher.name} has no such key` }));
  return { config: { sources: { [publisher.kind]: options } }, bus, notes };
}

function busLines(
  { kind, bus: { prefix, host, user, password } }: Publisher,
  text: (key: string) => string | undefined,
  settings: ReadonlyMap<string, Setting>,
  file: string,
): string[] {
  const server = text(`${prefix}${host}`);
  if (server === undefined) return [];
  const files = { cafile: text(`${prefix}ca-certs`), cert: text(`${prefix}certfile`), key: text(`${prefix}keyfile`) };
  const isTls = files.cafile !== undefined;
  const url = `${isTls ? 'mqtts' : 'mqtt'}://${address(server, text(`${prefix}port`) ?? '1883')}`;
  text(`${prefix}keepalive`);
  const account = text(`${prefix}${user}`);
  const secret = text(`${prefix}${password}`) === undefined ? undefined : settings.get(`${prefix}${password}`);
  const flags = Object.entries(files).flatMap(([flag, path]) =>
    path === undefined ? [] : [`--bus-${flag} ${resolve(dirname(file), path)}`],
  );
  const environment = account === undefined ? '' : `HYDRANT_USER=${account} ${secret ? 'HYDRANT_PASSWORD_FILE=FILE ' : ''}`;
  return [
    'With `hydrant up` the source publishes to that server. Here it published to another broker; to go on doing so:',
    `  ${environment}hydrant source ${kind} -c THIS_FILE --url ${url}${flags.map((flag) => ` ${flag}`).join('')}`,
    ...(secret ? [`  (put the password that is in ${secret.file}:${secret.line} into FILE)`] : []),
  ];
}
