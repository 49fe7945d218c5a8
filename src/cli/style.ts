import { styleText } from 'node:util';
import type { Stream } from './io.ts';

/** Colours only on a terminal, and never with NO_COLOR set to anything (no-color.org). */
function hasColor(stream: Stream, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

export function paint(stream: Stream, env: NodeJS.ProcessEnv, style: Parameters<typeof styleText>[0], text: string): string {
  return hasColor(stream, env) ? styleText(style, text, { validateStream: false }) : text;
}
