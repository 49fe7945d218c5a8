import type { Command } from 'commander';
import type { ConfigEntry } from '../app/config-origin.ts';

/** Where the server is that speaks S3. */
export interface StoreOptions {
  endpoint?: string;
  region?: string;
}

/** `--endpoint` and `--region`, of commands that write to a store. */
export function addStoreOptions(command: Command): Command {
  return command
    .option('--endpoint <url>', 'server that speaks S3 (default: AWS)')
    .option('--region <name>', 'region of the bucket (default: that of the environment or the profile)');
}

/** The configuration that they stand for. */
export function storeFlags({ endpoint, region }: StoreOptions): ConfigEntry[] {
  return [
    { path: 'archive.s3.endpoint', value: endpoint, flag: '--endpoint' },
    { path: 'archive.s3.region', value: region, flag: '--region' },
  ].flatMap(({ path, value, flag }) => (value === undefined ? [] : [{ path, value, origin: { from: 'flag' as const, flag } }]));
}
