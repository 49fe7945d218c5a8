import { HydrantError } from '../core/errors.ts';
import type { ConnackPacket } from './packet.ts';
import { reasonText } from './reason.ts';

/** HYD_REFUSED by the CONNACK, with its reason code of MQTT 5 or return code of 3.x. */
export class ConnectRefused extends HydrantError {
  readonly reasonCode: number;
  /** MQTT 5: reason string and values of user properties, as the server wrote them. */
  readonly remarks: readonly string[];

  constructor(url: string, { reasonCode, returnCode, properties, userProperties = [] }: ConnackPacket) {
    const code = reasonCode ?? returnCode ?? 0;
    super('HYD_REFUSED', `${url} refused the connection: ${reasonText(code)}`);
    this.name = 'ConnectRefused';
    this.reasonCode = code;
    const { reasonString } = properties ?? {};
    this.remarks = [...(reasonString === undefined ? [] : [reasonString]), ...userProperties.map(([, value]) => value)];
  }
}
