import type { IncomingHttpHeaders } from 'node:http';

/** What of the options of a hook a preset looks at. */
export interface HookSettings {
  readonly path: string;
  /** None: whatever comes is taken. */
  readonly secrets: readonly string[];
  readonly base: string;
  /** How far a signed time may be from now, either way. */
  readonly toleranceMs: number;
  readonly generic: {
    readonly header: string | undefined;
    readonly hmac: Algorithm | undefined;
    readonly encoding: 'hex' | 'base64';
    readonly idHeader: string | undefined;
    readonly eventHeader: string | undefined;
  };
}

export type Algorithm = 'sha1' | 'sha256' | 'sha512';

/** A request before its body. */
export interface RequestHead {
  readonly headers: IncomingHttpHeaders;
  readonly query: URLSearchParams;
  /** Without parameters, in lower case; empty when it is not said. */
  readonly contentType: string;
}

export interface Message extends RequestHead {
  readonly body: Buffer;
}

/** Why the sender has not shown that it knows a secret; undefined when it has. */
export type Verdict = string | undefined;

/** What a request brought. */
export interface Delivery {
  /** Names of the template besides `base`; what is not among them is looked for in `data`. */
  readonly fields: Readonly<Record<string, string | undefined>>;
  readonly payload: Buffer;
  readonly contentType: string;
  /** The payload as it was parsed, if it was. */
  readonly data: unknown;
  /** The same each time that the sender repeats it. Undefined: that cannot be told. */
  readonly repeatId?: string | undefined;
  /** Of the event, where another source gives it the same. Default: from `repeatId`. */
  readonly eventId?: string | undefined;
  /** Where the topic is not a template's. */
  readonly topic?: string;
  readonly schema?: string | undefined;
  /** When it happened, milliseconds since 1970. */
  readonly timeMs?: number | undefined;
}

/** A sender, and how it speaks. */
export interface Preset {
  readonly name: string;
  /** Template of the topic by default; empty where each delivery names its own. */
  readonly topic: string;
  /** @returns what is wrong with a secret that could never be one */
  secretFault?(secret: string): string | undefined;
  takes(contentType: string): boolean;
  /** From the head alone where that is enough, else a function that is given the body. */
  prove(head: RequestHead, hook: HookSettings, nowMs: number): Verdict | ((body: Buffer) => Verdict);
  /** @throws HYD_USAGE for what is not as this sender writes it */
  read(message: Message, hook: HookSettings): Delivery;
}
