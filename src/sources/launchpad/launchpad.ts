import { readFile } from 'node:fs/promises';
import { errorText, HydrantError } from '../../core/errors.ts';
import type { Source, SourceContext, SourceKind, TestStep } from '../source.ts';
import { Ledger } from './ledger.ts';
import { createMailbox } from './mailbox.ts';
import { type LaunchpadOptions, launchpadOptions } from './options.ts';
import { Reading } from './reading.ts';
import { SCHEMAS } from './schemas.ts';
import { tryMailbox } from './trial.ts';

/**
 * Mail that Launchpad sends about bugs and other things, out of an IMAP mailbox. A mail is flagged or expunged once the bus has acknowledged all of
 * its events, and not before.
 */
export const launchpad: SourceKind<LaunchpadOptions> = {
  name: 'launchpad',
  summary: 'notifications of Launchpad, from an IMAP mailbox',
  options: launchpadOptions,
  schemas: SCHEMAS,
  examples: [['--host imap.example.org --user bugs --password-file /run/secrets/bugs', 'the mailbox that gets the bug mail']],
  async open(options, context) {
    return new LaunchpadSource(options, context, await readAuthority(options.ca));
  },
};

class LaunchpadSource implements Source {
  readonly #options: LaunchpadOptions;
  readonly #context: SourceContext;
  readonly #ca: Buffer | undefined;
  readonly #ledger: Ledger;

  constructor(options: LaunchpadOptions, context: SourceContext, ca: Buffer | undefined) {
    this.#options = options;
    this.#context = context;
    this.#ca = ca;
    this.#ledger = new Ledger(context, `${options.user} ${options.mailbox}`, options.after !== 'leave');
  }

  async run(signal: AbortSignal): Promise<void> {
    const mailbox = await createMailbox(this.#options, this.#ca);
    const close = (): void => mailbox.close();
    signal.addEventListener('abort', close);
    try {
      if (signal.aborted) return;
      await mailbox.connect();
      await mailbox.select(this.#options.after === 'leave');
      mailbox.assertMarkable();
      this.#ledger.begin(mailbox.uidValidity, mailbox.uidNext);
      this.#context.up();
      const reading = new Reading(mailbox, this.#ledger, this.#context, this.#options);
      while (!signal.aborted) {
        await reading.readOn();
        await reading.markDue();
        await mailbox.wait(this.#options.poll, this.#ledger.whenDue());
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', close);
      mailbox.close();
    }
  }

  test(signal: AbortSignal): AsyncIterable<TestStep> {
    return tryMailbox(this.#options, this.#ca, signal);
  }
}

async function readAuthority(path: string | undefined): Promise<Buffer | undefined> {
  try {
    return path === undefined ? undefined : await readFile(path);
  } catch (error) {
    throw new HydrantError('HYD_CONFIG', `the authority ${path} cannot be read: ${errorText(error)}`, {
      fix: 'Give with --ca a PEM file that the user Hydrant runs as may read.',
      cause: error,
    });
  }
}
