import { HydrantError } from '../../core/errors.ts';
import { encodePacket } from '../../mqtt/encode.ts';
import type { ConnackPacket, PublishPacket } from '../../mqtt/packet.ts';
import { reasonText } from '../../mqtt/reason.ts';

const QUOTA_EXCEEDED = 0x97;

/**
 * A server ends the connection over what its CONNACK said that it does not take (MQTT 5 §3.2.2.3); the same would come again after every
 * reconnect.
 * @throws HYD_TOO_LARGE, HYD_UNSUPPORTED
 */
export function assertTaken(packet: PublishPacket, connack: ConnackPacket | undefined): void {
  const { maximumPacketSize = Number.POSITIVE_INFINITY, maximumQoS = 2, retainAvailable = true } = connack?.properties ?? {};
  const { topic, qos, retain } = packet;
  if (boundedBytes(packet) > maximumPacketSize && encodePacket(packet, 5).length > maximumPacketSize)
    throw new HydrantError('HYD_TOO_LARGE', `the event on ${topic} is longer than the ${maximumPacketSize} bytes that the broker takes`);
  if (qos > maximumQoS)
    throw new HydrantError('HYD_UNSUPPORTED', `the broker takes QoS ${maximumQoS} at most, and the event on ${topic} has ${qos}`);
  if (retain && !retainAvailable)
    throw new HydrantError('HYD_UNSUPPORTED', `the broker retains nothing, and the event on ${topic} is to be retained`);
}

/** What a reason code of PUBACK or PUBREC means for a publisher. */
export function refusal(topic: string, code: number): HydrantError {
  return new HydrantError(
    code === QUOTA_EXCEEDED ? 'HYD_BUSY' : 'HYD_REFUSED',
    `the broker refused the event on ${topic}: ${reasonText(code)}`,
  );
}

/** Bytes that a PUBLISH takes at most, without encoding it. */
function boundedBytes({ topic, payload, properties, userProperties = [] }: PublishPacket): number {
  let bytes = 64 + topic.length * 3 + payload.length;
  for (const [name, value] of userProperties) bytes += 5 + (name.length + value.length) * 3;
  const { contentType = '', responseTopic = '', correlationData } = properties ?? {};
  return bytes + (contentType.length + responseTopic.length) * 3 + (correlationData?.length ?? 0);
}
