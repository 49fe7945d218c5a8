import { HydrantError } from '../../core/errors.ts';
import { createHexId } from '../../core/id.ts';
import type { SubscribeOptions } from '../bus.ts';
import type { KnownFilters } from './filter-set.ts';
import type { MqttBusOptions } from './options.ts';
import type { SessionShape } from './session.ts';

const MAX_IN_FLIGHT = 1000;
const EXPIRY_SECONDS = 7 * 86_400;
/** How long the server keeps what is half published, should this process never come back. */
const PUBLISHER_EXPIRY_SECONDS = 3600;

/** Which session a publish or a subscription belongs to: one for all under the client id of the options, else one for each. */
export class SessionShapes {
  readonly #options: MqttBusOptions;
  readonly #prefix: string;
  /** Of durables. */
  readonly #known = new Map<string, KnownFilters>();

  constructor(options: MqttBusOptions) {
    this.#options = options;
    this.#prefix = options.clientIdPrefix ?? 'hydrant-';
  }

  publishing(): SessionShape {
    return (
      this.#one() ?? {
        clientId: this.#prefix + createHexId(6),
        durable: false,
        clean: false,
        expirySeconds: PUBLISHER_EXPIRY_SECONDS,
        receiveMaximum: MAX_IN_FLIGHT,
        isShared: false,
        endsWithClose: true,
        known: { filters: [], isAgeKnown: false },
      }
    );
  }

  /** @throws HYD_UNSUPPORTED for what one session for all has not */
  reading({ durable, group, inbox, maxInFlight = MAX_IN_FLIGHT }: SubscribeOptions): SessionShape {
    const one = this.#one();
    if (one) {
      assertShareable({ durable, group, inbox }, one);
      return one;
    }
    const clientId = durable ?? this.#prefix + createHexId(6);
    const isDurable = durable !== undefined;
    return {
      clientId,
      durable: isDurable,
      clean: !isDurable,
      expirySeconds: isDurable ? (this.#options.sessionExpirySeconds ?? EXPIRY_SECONDS) : 0,
      receiveMaximum: maxInFlight,
      isShared: false,
      endsWithClose: false,
      known: isDurable ? this.#knownOf(clientId) : { filters: [], isAgeKnown: false },
      inbox: isDurable ? inbox : undefined,
    };
  }

  #one(): SessionShape | undefined {
    const { clientId, persistentSession = true, sessionExpirySeconds = EXPIRY_SECONDS } = this.#options;
    if (clientId === undefined) return undefined;
    return {
      clientId,
      durable: true,
      clean: !persistentSession,
      expirySeconds: persistentSession ? sessionExpirySeconds : 0,
      receiveMaximum: MAX_IN_FLIGHT,
      isShared: true,
      endsWithClose: false,
      known: this.#knownOf(clientId),
    };
  }

  #knownOf(clientId: string): KnownFilters {
    const known = this.#known.get(clientId) ?? { filters: [], isAgeKnown: false };
    this.#known.set(clientId, known);
    return known;
  }
}

function assertShareable({ durable, group, inbox }: SubscribeOptions, { clientId, clean }: SessionShape): void {
  const refuse = (why: string): never => {
    throw new HydrantError('HYD_UNSUPPORTED', `one connection for all, under the client id ${clientId}: ${why}`);
  };
  if (durable !== undefined && durable !== clientId) refuse(`a durable has that name too, not ${durable}`);
  if (durable !== undefined && clean) refuse('a durable needs its session to persist (persistentSession)');
  if (group !== undefined) refuse(`what the group ${group} gets cannot be told from the rest`);
  if (inbox !== undefined) refuse('an inbox is of a session with one subscription');
}
