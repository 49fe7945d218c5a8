import { once } from 'node:events';
import { HydrantError } from '../../core/errors.ts';
import { openTcpOutput } from './tcp-output.ts';
import { openUdpOutput } from './udp-output.ts';

/** Where lines go. Whatever goes wrong is thrown: nothing is taken for sent that was not. */
export interface LineOutput extends Disposable {
  /** Resolves when there is room for the next. @throws HYD_SOURCE when the output is away */
  send(line: string): Promise<void>;
  /** Resolves once as much as can be known says that all has arrived. @throws HYD_SOURCE */
  finish(): Promise<void>;
}

export type OutputPlace = { mode: 'stdout' } | { mode: 'tcp' | 'udp'; host: string; port: number };

export interface OutputContext {
  signal: AbortSignal;
  refused(reason: string, fields: Record<string, unknown>): void;
}

export function openOutput(place: OutputPlace, context: OutputContext): Promise<LineOutput> {
  if (place.mode === 'stdout') return Promise.resolve(stdoutOutput);
  return place.mode === 'tcp' ? openTcpOutput(place, context) : openUdpOutput(place, context);
}

export function outputText(place: OutputPlace): string {
  return place.mode === 'stdout' ? 'stdout' : `${place.mode}://${place.host.includes(':') ? `[${place.host}]` : place.host}:${place.port}`;
}

export function outputFault(place: OutputPlace, why: string, cause?: unknown): HydrantError {
  return new HydrantError('HYD_SOURCE', `the output ${outputText(place)}: ${why}`, {
    cause,
    fix: 'Check that what takes the lines runs there; jobs stay with the gearman server until it does.',
  });
}

const stdoutOutput: LineOutput = {
  async send(line) {
    if (!process.stdout.write(line)) await once(process.stdout, 'drain');
  },
  async finish() {
    await new Promise<void>((resolve, reject) => {
      process.stdout.write('', (error) => (error ? reject(outputFault({ mode: 'stdout' }, error.message, error)) : resolve()));
    });
  },
  [Symbol.dispose]() {},
};
