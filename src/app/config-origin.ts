/** Where a value came from. */
export type Origin =
  | { from: 'default' }
  | { from: 'file'; file: string; line: number; column: number }
  | { from: 'env'; name: string }
  | { from: 'flag'; flag: string };

/** `hydrant.yaml:3:11`, `environment HYDRANT_LOG_LEVEL`, `flag --set`, `default`. */
export function originText(origin: Origin): string {
  switch (origin.from) {
    case 'file':
      return `${origin.file}:${origin.line}:${origin.column}`;
    case 'env':
      return `environment ${origin.name}`;
    case 'flag':
      return `flag ${origin.flag}`;
    default:
      return 'default';
  }
}

/** One value that somebody gave. */
export interface ConfigEntry {
  path: string;
  value: unknown;
  origin: Origin;
  /** Where a part of the value is, for the file. */
  originOf?(names: readonly PropertyKey[]): Origin;
  /** The value is only a part of a map: it is merged into what is there. */
  isPart?: boolean;
}

/** One mistake: where, and what is wrong with it. */
export interface ConfigFault {
  origin: Origin;
  message: string;
}
