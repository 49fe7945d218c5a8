import { HydrantError } from '../core/errors.ts';
import { reasonText } from './reason.ts';

/** HYD_REFUSED by the CONNACK, with its reason code of MQTT 5 or return code of 3.x. */
export class ConnectRefused extends HydrantError {
  readonly reasonCode: number;

  constructor(url: string, reasonCode: number) {
    super('HYD_REFUSED', `${url} refused the connection: ${reasonText(reasonCode)}`);
    this.name = 'ConnectRefused';
    this.reasonCode = reasonCode;
  }
}
