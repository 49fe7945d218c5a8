import { extname } from 'node:path';

/**
 * The URL of a worker's entry file beside the calling module: `.ts` when running from source, `.js` in the package.
 * @param from `import.meta.url` of the caller
 */
export function workerUrl(from: string, name: string): URL {
  return new URL(`./${name}${extname(new URL(from).pathname)}`, from);
}
