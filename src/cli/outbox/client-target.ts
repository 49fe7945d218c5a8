import { HydrantError } from '../../core/errors.ts';
import type { Connecting } from '../connection-options.ts';

/**
 * What a command's connection options are to `openClient`.
 * @throws HYD_USAGE for what a client on an outbox does not have
 */
export function clientTarget({ url, clientId, version, username, password, keepAliveS, tls, will }: Connecting): {
  url: string;
  clientId?: string;
  version: 4 | 5;
  credentials: { username?: string; password?: string };
  keepAliveSeconds: number;
  tls?: Connecting['tls'];
} {
  if (version === 3) throw new HydrantError('HYD_USAGE', 'with --outbox there is no MQTT 3.1', { fix: 'Give -V 5 or -V 3.1.1.' });
  if (will) throw new HydrantError('HYD_USAGE', 'with --outbox there is no will', { fix: 'Leave --will-topic out.' });
  return { url, clientId: clientId || undefined, version, credentials: { username, password }, keepAliveSeconds: keepAliveS, tls };
}
