import { HydrantError } from '../../core/errors.ts';
import type { MqttBus, MqttBusOptions } from './options.ts';

/**
 * A bus over any MQTT 3.1.1 or 5 server. Nothing is connected before it is needed.
 * @throws HYD_USAGE for a wrong URL or none
 */
export async function openMqttBus(options: MqttBusOptions): Promise<MqttBus> {
  throw new HydrantError('HYD_UNSUPPORTED', `${options.urls.join(', ')}: not yet`);
}
