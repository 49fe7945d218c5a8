import { oneLine } from '../one-line.ts';
import type { Derived, EventSchema, JsonSchema } from '../schema.ts';

const TEXT = { type: 'string' } as const;
const COUNT = { type: 'integer', minimum: 0 } as const;
const RUN = '{base}/playbook/{playbook_id}';

/** What every event of the callback plugin has: `integrations/ansible/hydrant.py`. */
const COMMON: Record<string, JsonSchema> = {
  host: { ...TEXT, description: 'The machine that Ansible runs on.' },
  session: { ...TEXT, description: 'The command: one UUID for all that it runs.' },
  playbook_id: { ...TEXT, description: 'The run of a playbook: the level of the topic.' },
  playbook_name: { type: ['string', 'null'], description: "The play's name." },
  play_id: { type: ['string', 'null'], description: 'The play: the same from its start to its finish.' },
  timestamp: { type: 'string', format: 'date-time', description: 'When Ansible told of it.' },
  event_id: { ...TEXT, pattern: '^[0-9A-HJKMNP-TV-Z]{26}$', description: 'Of this event; the same in each repeat of it.' },
};
const COMMON_NAMES = Object.keys(COMMON);

const RESULT: Record<string, JsonSchema> = {
  ansible_host: { ...TEXT, description: 'The host as the inventory names it.' },
  ansible_task: { ...TEXT, description: 'TASK: and its name.' },
  task_id: { ...TEXT, description: 'The task: the same on all hosts.' },
  ansible_result: {
    type: ['object', 'string', 'array'],
    description: 'What the module gave; censored where no_log asks for it.',
  },
  truncated: { const: true, description: 'The result was too long: texts and lists in it were cut.' },
  ansible_result_bytes: { ...COUNT, description: 'Its length as JSON before it was cut.' },
};
const RESULT_NAMES = ['ansible_host', 'ansible_task', 'task_id', 'ansible_result', 'status', 'ansible_type'];

const IDS = {
  host: 'bastion-1',
  session: '5b4c6e0e-4a3f-4d0c-9d0b-3f4b7e8b9a10',
  playbook_id: '1f0d7f52-7c55-4d6e-8a44-0d2f6b1f2c3e',
  playbook_name: 'Web servers',
  play_id: '0242ac11-0002-9f3c-51d7-000000000007',
};

const start: EventSchema = {
  name: 'ansible.start',
  topic: `${RUN}/action/start`,
  title: 'A play started',
  schema: {
    type: 'object',
    required: [...COMMON_NAMES, 'status', 'ansible_type'],
    properties: {
      ...COMMON,
      status: { const: 'OK' },
      ansible_type: { const: 'start' },
      playbook_file: { type: ['string', 'null'] },
      check_mode: { type: 'boolean', description: 'Nothing is changed by this run.' },
    },
  },
  examples: [
    {
      status: 'OK',
      ...IDS,
      ansible_type: 'start',
      playbook_file: 'web.yml',
      check_mode: false,
      timestamp: '2026-11-21T10:00:00.120331Z',
      event_id: '01KAJY3V5REMBHQ6Q1Q7T3A9ZC',
    },
  ],
  derive(data) {
    const { playbook_name, playbook_file, check_mode, host } = fieldsOf(data);
    const from = [text(playbook_file), text(host)].filter((part) => part !== '').join(' on ');
    return told(
      `Play ${text(playbook_name) || 'without a name'} started${from && ` (${from})`}${check_mode === true ? ', as a check' : ''}`,
    );
  },
};

const finish: EventSchema = {
  name: 'ansible.finish',
  topic: `${RUN}/action/finish/{status}`,
  title: 'A play finished',
  schema: {
    type: 'object',
    required: [...COMMON_NAMES, 'status', 'ansible_type'],
    properties: {
      ...COMMON,
      status: {
        enum: ['OK', 'FAILED'],
        description: 'FAILED: a task failed that is neither ignored nor rescued, a host was unreachable, or the run was broken off.',
      },
      ansible_type: { const: 'finish' },
      interrupted: { const: true, description: 'The run was broken off in this play.' },
    },
  },
  examples: [
    { status: 'OK', ...IDS, ansible_type: 'finish', timestamp: '2026-11-21T10:04:11.004500Z', event_id: '01KAJYBG4Q1R0M0W6E1V7H2K5D' },
    {
      status: 'FAILED',
      ...IDS,
      ansible_type: 'finish',
      interrupted: true,
      timestamp: '2026-11-21T10:02:09.900012Z',
      event_id: '01KAJY7SRWV8T4N3S9E0B6C2XA',
    },
  ],
  derive(data) {
    const { playbook_name, status, interrupted } = fieldsOf(data);
    const how = status === 'OK' ? 'finished' : interrupted === true ? 'was broken off' : 'failed';
    return told(`Play ${text(playbook_name) || 'without a name'} ${how}`, status === 'OK' ? 'info' : 'error');
  },
};

const stats: EventSchema = {
  name: 'ansible.stats',
  topic: `${RUN}/stats/{ansible_host}`,
  title: 'How a host came through a playbook',
  schema: {
    type: 'object',
    required: [...COMMON_NAMES, 'ansible_type', 'ansible_host', 'stats'],
    properties: {
      ...COMMON,
      ansible_type: { const: 'stats' },
      ansible_host: RESULT.ansible_host,
      stats: {
        type: 'object',
        description: 'How many tasks ended how.',
        required: ['ok', 'changed', 'failures', 'skipped', 'unreachable'],
        properties: { ok: COUNT, changed: COUNT, failures: COUNT, skipped: COUNT, unreachable: COUNT, rescued: COUNT, ignored: COUNT },
      },
    },
  },
  examples: [
    {
      ...IDS,
      ansible_type: 'stats',
      ansible_host: 'web-3.example.org',
      stats: { ok: 14, failures: 0, unreachable: 0, changed: 3, skipped: 2, rescued: 0, ignored: 1 },
      timestamp: '2026-11-21T10:04:11.002310Z',
      event_id: '01KAJYBG4P5W8Z2Y3K9D4F6H7J',
    },
  ],
  derive(data) {
    const { ansible_host, stats } = fieldsOf(data);
    const counts = Object.entries(fieldsOf(stats)).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
    const said = counts.filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`);
    const isBad = counts.some(([name, count]) => count > 0 && (name === 'failures' || name === 'unreachable'));
    return told(`${text(ansible_host) || 'A host'}: ${said.join(', ') || 'nothing to do'}`, isBad ? 'error' : 'info');
  },
};

const task: EventSchema = {
  name: 'ansible.task',
  topic: `${RUN}/task/{ansible_host}/{status}`,
  title: 'A task ended on a host',
  schema: {
    type: 'object',
    required: [...COMMON_NAMES, ...RESULT_NAMES],
    properties: {
      ...COMMON,
      status: { enum: ['OK', 'FAILED', 'SKIPPED', 'UNREACHABLE'] },
      ansible_type: { const: 'task' },
      ...RESULT,
      ignored: { type: 'boolean', description: 'It failed, and the playbook says to go on.' },
      rescued: { type: 'boolean', description: 'It failed in a block that has a rescue.' },
    },
  },
  examples: [
    {
      status: 'FAILED',
      ...IDS,
      ansible_host: 'web-3.example.org',
      ansible_type: 'task',
      ansible_task: 'TASK: Start the proxy',
      task_id: '0242ac11-0002-9f3c-51d7-00000000001b',
      ignored: false,
      rescued: false,
      timestamp: '2026-11-21T10:01:50.551000Z',
      event_id: '01KAJY76X7Q3J8F5A2N4P6R9TB',
      ansible_result: { msg: 'Unable to start service proxy', changed: false },
    },
    {
      status: 'OK',
      ...IDS,
      ansible_host: 'web-4.example.org',
      ansible_type: 'task',
      ansible_task: 'TASK: Write the key',
      task_id: '0242ac11-0002-9f3c-51d7-00000000001c',
      timestamp: '2026-11-21T10:01:52.010000Z',
      event_id: '01KAJY78ATM0C4E6G8J1K3N5QV',
      ansible_result: { censored: 'the output has been hidden', changed: true },
    },
  ],
  derive: (data) => deriveResult(fieldsOf(data)),
};

const item: EventSchema = {
  name: 'ansible.item',
  topic: `${RUN}/task_items/{ansible_host}/{status}`,
  title: 'An item of a loop ended on a host, or a task is tried again',
  schema: {
    type: 'object',
    required: [...COMMON_NAMES, ...RESULT_NAMES],
    properties: {
      ...COMMON,
      status: { enum: ['OK', 'FAILED', 'SKIPPED', 'RETRY'] },
      ansible_type: { const: 'item' },
      ...RESULT,
    },
  },
  examples: [
    {
      status: 'RETRY',
      ...IDS,
      ansible_host: 'web-3.example.org',
      ansible_type: 'item',
      ansible_task: 'TASK: Wait for the proxy',
      task_id: '0242ac11-0002-9f3c-51d7-00000000001d',
      timestamp: '2026-11-21T10:02:01.300000Z',
      event_id: '01KAJY7HCM9E1G3J5M7Q9S2V4X',
      ansible_result: { rc: 7, attempts: 1, retries: 4, msg: 'non-zero return code', changed: false },
    },
  ],
  derive: (data) => deriveResult(fieldsOf(data)),
};

/** Of the topics that the plugin has by default; those of `legacy_topics` are not described. */
export const schemas: readonly EventSchema[] = [start, finish, stats, task, item];

function deriveResult({ status, ansible_host, ansible_task, ansible_result, ignored, rescued }: Record<string, unknown>): Derived {
  const { msg, item } = fieldsOf(ansible_result);
  const name = text(ansible_task).replace(/^TASK: /, '') || 'A task';
  const which = text(item) && ` (${text(item)})`;
  const isBad = status === 'FAILED' || status === 'UNREACHABLE';
  const isCaught = ignored === true || rescued === true;
  const why = isBad && text(msg) !== '' ? `: ${text(msg)}` : '';
  const mark = isCaught ? `, ${ignored === true ? 'ignored' : 'rescued'}` : '';
  const summary = `${text(ansible_host) || 'A host'}: ${name}${which}: ${text(status) || 'ended'}${mark}${why}`;
  return told(summary, isBad ? (isCaught ? 'warning' : 'error') : status === 'RETRY' ? 'warning' : 'info');
}

function told(summary: string, severity: Derived['severity'] = 'info'): Derived {
  return { summary: oneLine(summary), people: [], severity };
}

function fieldsOf(data: unknown): Record<string, unknown> {
  return typeof data === 'object' && data !== null ? Object.fromEntries(Object.entries(data)) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}
