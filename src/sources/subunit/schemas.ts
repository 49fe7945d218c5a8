import { isObject } from '../../core/objects.ts';
import { textOf } from '../gearman/derive.ts';
import { oneLine } from '../one-line.ts';
import type { EventSchema } from '../schema.ts';

const BUILD = {
  build_uuid: { type: 'string', description: 'The build, as the CI names it' },
  source_url: { type: 'string', description: 'The file that was read' },
};
const TIME = { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z$', description: 'RFC 3339' };
const SECONDS = { type: 'number', minimum: 0, description: 'Seconds' };
const COUNT = { type: 'integer', minimum: 0 };
const BASE = '{base}/{host}/{project...}/{change}';

const build: EventSchema = {
  name: 'subunit.build',
  topic: BASE,
  title: 'The test results of a build were read, or could not be',
  schema: {
    type: 'object',
    required: ['build_uuid', 'source_url', 'status'],
    properties: {
      ...BUILD,
      build_uuid: { type: ['string', 'null'] },
      status: { enum: ['success', 'failed'], description: 'Of reading, not of the build' },
    },
  },
  examples: [
    {
      build_uuid: '0f3b7c52d9a54a0db4ec6b8a1a7c9e11',
      source_url: 'https://logs.example.org/42/1042/3/check/unit/0f3b7c5/testrepository.subunit',
      status: 'success',
    },
    { build_uuid: null, source_url: 'https://logs.example.org/periodic/unit/77aa01d/testrepository.subunit', status: 'failed' },
  ],
  derive(data, topic) {
    const { status, source_url } = isObject(data) ? data : {};
    const failed = status === 'failed';
    return {
      summary: oneLine(`Test results ${failed ? 'could not be read' : 'were read'}: ${topic}`),
      url: textOf(source_url),
      people: [],
      severity: failed ? 'warning' : 'info',
    };
  },
};

const test: EventSchema = {
  name: 'subunit.test',
  topic: `${BASE}/test/{test}`,
  title: 'A test ended, or its stream ended in it',
  schema: {
    type: 'object',
    required: ['source_url', 'test', 'status', 'tags', 'attachments'],
    properties: {
      ...BUILD,
      test: { type: 'string' },
      status: { enum: ['success', 'fail', 'skip', 'xfail', 'uxsuccess', 'exists', 'incomplete'] },
      start_time: TIME,
      stop_time: TIME,
      duration: SECONDS,
      tags: { type: 'array', items: { type: 'string' } },
      attachments: {
        type: 'array',
        items: {
          type: 'object',
          required: ['name', 'size'],
          properties: { name: { type: 'string' }, mime_type: { type: 'string' }, size: { ...COUNT, description: 'Bytes' } },
        },
      },
    },
  },
  examples: [
    {
      build_uuid: '0f3b7c52d9a54a0db4ec6b8a1a7c9e11',
      source_url: 'https://logs.example.org/42/1042/3/check/unit/0f3b7c5/testrepository.subunit',
      test: 'warehouse.tests.test_shelves.ShelfTest.test_refuses_a_second_box',
      status: 'fail',
      start_time: '2026-03-04T11:20:07.250000Z',
      stop_time: '2026-03-04T11:20:07.911500Z',
      duration: 0.6615,
      tags: ['worker-2'],
      attachments: [{ name: 'traceback', mime_type: 'text/x-traceback;charset=utf8', size: 1843 }],
    },
  ],
  derive(data) {
    const { test: name, status, source_url } = isObject(data) ? data : {};
    const isBad = status === 'fail' || status === 'uxsuccess' || status === 'incomplete';
    return {
      summary: oneLine(`${textOf(status) ?? 'A test'}: ${textOf(name) ?? 'without a name'}`),
      url: textOf(source_url),
      people: [],
      severity: isBad ? 'error' : 'info',
    };
  },
};

const total: EventSchema = {
  name: 'subunit.total',
  topic: `${BASE}/total`,
  title: 'How many tests of a stream ended how',
  schema: {
    type: 'object',
    required: ['source_url', 'tests', 'success', 'fail', 'skip', 'xfail', 'uxsuccess', 'exists', 'incomplete'],
    properties: {
      ...BUILD,
      tests: COUNT,
      success: COUNT,
      fail: COUNT,
      skip: COUNT,
      xfail: { ...COUNT, description: 'Failed, as was expected' },
      uxsuccess: { ...COUNT, description: 'Succeeded, and that was not expected' },
      exists: { ...COUNT, description: 'Listed, not run' },
      incomplete: { ...COUNT, description: 'Begun and never ended' },
      start_time: TIME,
      stop_time: TIME,
      duration: SECONDS,
      packets: COUNT,
      damaged: { ...COUNT, description: 'What began as a packet and is none' },
      other_bytes: { ...COUNT, description: 'Bytes between packets' },
      left_out: { ...COUNT, description: 'What was too much to be kept in mind' },
    },
  },
  examples: [
    {
      build_uuid: '0f3b7c52d9a54a0db4ec6b8a1a7c9e11',
      source_url: 'https://logs.example.org/42/1042/3/check/unit/0f3b7c5/testrepository.subunit',
      tests: 418,
      success: 409,
      fail: 1,
      skip: 8,
      xfail: 0,
      uxsuccess: 0,
      exists: 0,
      incomplete: 0,
      start_time: '2026-03-04T11:19:31.004000Z',
      stop_time: '2026-03-04T11:21:50.770100Z',
      duration: 139.7661,
      packets: 1254,
      damaged: 0,
      other_bytes: 0,
      left_out: 0,
    },
  ],
  derive(data) {
    const { tests, success, fail, uxsuccess, incomplete, skip, source_url } = isObject(data) ? data : {};
    const bad = countOf(fail) + countOf(uxsuccess) + countOf(incomplete);
    const summary = `${countOf(tests)} tests: ${countOf(success)} passed, ${bad} failed, ${countOf(skip)} skipped`;
    return { summary, url: textOf(source_url), people: [], severity: bad > 0 ? 'error' : 'info' };
  },
};

export const schemas: readonly EventSchema[] = [build, test, total];

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
