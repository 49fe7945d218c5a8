import { isObject } from '../../core/objects.ts';
import { textOf } from '../gearman/derive.ts';
import { oneLine } from '../one-line.ts';
import type { EventSchema } from '../schema.ts';

const retrieved: EventSchema = {
  name: 'logs.retrieved',
  topic: '{base}/{host}/{project...}/{change}/retrieve_logs',
  title: 'A log of a build was passed on, or could not be',
  schema: {
    type: 'object',
    required: ['build_uuid', 'source_url', 'status'],
    properties: {
      build_uuid: { type: ['string', 'null'], description: 'The build, as the CI names it' },
      source_url: { type: 'string', description: 'The log' },
      status: { enum: ['success', 'failure'], description: 'Of passing it on, not of the build' },
    },
  },
  examples: [
    {
      build_uuid: '5c0d7fe1b6a94e7f9d1e2f3a4b5c6d7e',
      source_url: 'https://logs.example.org/17/2017/1/gate/lint/5c0d7fe/job-output.txt',
      status: 'success',
    },
    { build_uuid: null, source_url: 'https://logs.example.org/17/2017/1/gate/lint/5c0d7fe/syslog.txt', status: 'failure' },
  ],
  derive(data, topic) {
    const { status, source_url } = isObject(data) ? data : {};
    const failed = status === 'failure';
    const summary = oneLine(`Log ${failed ? 'could not be read' : 'passed on'}: ${textOf(source_url) ?? topic}`);
    return { summary, url: textOf(source_url), people: [], severity: failed ? 'warning' : 'info' };
  },
};

const line: EventSchema = {
  name: 'logs.line',
  topic: 'logs/{file}',
  title: 'A line of a file',
  schema: { type: ['string', 'object'], description: 'The line as it is; one that is a JSON object is that object' },
  examples: ['Mar  4 11:20:07 shelf-03 stockd[811]: door opened', { level: 'warn', message: 'door left open', door: 3 }],
  derive(data) {
    const { message, msg, level } = isObject(data) ? data : {};
    const text = textOf(data) ?? textOf(message) ?? textOf(msg) ?? JSON.stringify(data) ?? '';
    return { summary: oneLine(text), people: [], severity: severityOf(textOf(level)) };
  },
};

export const schemas: readonly EventSchema[] = [retrieved, line];

function severityOf(level: string | undefined): 'info' | 'warning' | 'error' {
  if (/^(err|crit|fatal|alert|emerg|panic)/i.test(level ?? '')) return 'error';
  return /^warn/i.test(level ?? '') ? 'warning' : 'info';
}
