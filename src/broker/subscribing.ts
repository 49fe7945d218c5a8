import { HydrantError } from '../core/errors.ts';
import type { SubscribePacket, UnsubscribePacket } from '../mqtt/packet.ts';
import { filterFault, hasMoreLevels } from '../wire/topic.ts';
import type { Broker } from './broker.ts';
import type { Client } from './client.ts';
import { REASON } from './reasons.ts';
import type { Session } from './session.ts';
import type { Subscription } from './subscription.ts';

/** A SUBACK code of MQTT 5, and why. */
interface Refusal {
  code: number;
  why: string;
}

interface Granted {
  subscription: Subscription;
  /** Retained messages are sent. */
  sendRetained: boolean;
}

type Wish = SubscribePacket['subscriptions'][number];

/** User property of SUBSCRIBE: read the past from there, as people write a moment, or a sequence. */
const SINCE = 'since';

const TOLD_FILTERS = 100;
const TOLD_CHARACTERS = 200;

/** SUBSCRIBE: each filter is granted or refused by itself; the SUBACK waits until what was granted is durable. */
export function subscribe(broker: Broker, client: Client, session: Session, packet: SubscribePacket): void {
  const id = packet.properties?.subscriptionIdentifier;
  const since = packet.userProperties?.find(([name]) => name === SINCE)?.[1];
  const answers = packet.subscriptions.map((wish) =>
    grant(broker, client, session, wish, { id: id === undefined ? undefined : Number(id), since }),
  );
  const refusal = answers.find((answer) => 'code' in answer);
  const granted = answers.map((answer, at) =>
    'code' in answer ? (client.version === 5 ? answer.code : REASON.failure) : packet.subscriptions[at]!.qos,
  );
  const filters = packet.subscriptions.flatMap(({ topic }, at) => (granted[at]! < 0x80 ? [topic] : []));
  const qos = granted.filter((code) => code < 0x80).slice(0, TOLD_FILTERS);
  if (filters.length > 0) broker.events.tell('subscribed', client.names, { ...shortened(filters), qos });
  client.whenDurable(session, () => {
    client.send({ cmd: 'suback', messageId: packet.messageId!, granted, ...(refusal ? client.because(refusal.why) : {}) });
    for (const answer of answers) if (!('code' in answer) && answer.sendRetained) broker.sendRetained(session, answer.subscription);
  });
}

/** UNSUBSCRIBE: what had begun to be delivered goes on. */
export function unsubscribe(broker: Broker, client: Client, session: Session, packet: UnsubscribePacket): void {
  const granted = packet.unsubscriptions.map((name) => (broker.unsubscribe(session, name) ? REASON.success : REASON.noSubscriptionExisted));
  broker.events.tell('unsubscribed', client.names, shortened(packet.unsubscriptions));
  client.whenDurable(session, () => client.send({ cmd: 'unsuback', messageId: packet.messageId!, granted }));
}

/** What an event tells of filters: not every one of a hundred thousand. */
function shortened(filters: readonly string[]): { filters: string[]; more?: number } {
  const told = filters.slice(0, TOLD_FILTERS).map((filter) => filter.slice(0, TOLD_CHARACTERS));
  return filters.length > TOLD_FILTERS ? { filters: told, more: filters.length - TOLD_FILTERS } : { filters: told };
}

function grant(
  broker: Broker,
  client: Client,
  session: Session,
  wish: Wish,
  { id, since }: { id: number | undefined; since: string | undefined },
): Granted | Refusal {
  const name = wish.topic;
  if (filterFault(name)) return { code: REASON.topicFilterInvalid, why: `${name} is not a topic filter` };
  const refuse = (code: number, reason: string, why: string): Refusal => {
    broker.refusals.note(client.names, reason, name);
    return { code, why };
  };
  const except = client.permissions.subscription(name);
  if (!except) return refuse(REASON.notAuthorized, 'subscribe-not-allowed', `${client.identity.user} may not read ${name}`);
  const isNew = !session.subscriptions.has(name);
  const { subscriptions, topicLevels } = broker.options.limits;
  if (hasMoreLevels(name, topicLevels))
    return refuse(REASON.topicFilterInvalid, 'topic-levels', `more than ${topicLevels} levels (limits.topicLevels)`);
  if (isNew && subscriptions > 0 && session.subscriptions.size >= subscriptions)
    return refuse(REASON.quotaExceeded, 'subscriptions', `more than ${subscriptions} subscriptions (limits.subscriptions)`);
  const options = {
    qos: wish.qos,
    noLocal: wish.nl ?? false,
    retainAsPublished: wish.rap ?? false,
    ...(except.length === 0 ? {} : { except }),
    ...(id === undefined ? {} : { id }),
  };
  try {
    const subscription = broker.subscribe(session, name, options, { since });
    const retainHandling = wish.rh ?? 0;
    const isOwn = !subscription.reading && !subscription.shared;
    return { subscription, sendRetained: isOwn && (retainHandling === 0 || (retainHandling === 1 && isNew)) };
  } catch (error) {
    if (!(error instanceof HydrantError)) throw error;
    return { code: REASON.topicFilterInvalid, why: error.message };
  }
}
