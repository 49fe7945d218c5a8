import type { LoadedConfig } from './config.ts';

/** The keys whose value differs between two configurations, in the schema's order. */
export function changedKeys(before: LoadedConfig, after: LoadedConfig): string[] {
  const changed = [...after.keys.keys.keys()].filter(
    (path) => path !== 'data' && !same(valueAt(before.config, path), valueAt(after.config, path)),
  );
  return before.dataDir === after.dataDir ? changed : ['data', ...changed];
}

function valueAt(config: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], config);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
