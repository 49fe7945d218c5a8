import type { Event, QoS } from '../wire/event.ts';

/** Numbers in [0, 1) that repeat for the same seed (mulberry32). */
export type Random = () => number;

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const PROJECTS = ['openstack/nova', 'openstack/octavia', 'openstack/neutron', 'openstack/swift', 'zuul/zuul', 'opendev/system-config'];
const PEOPLE = ['Ada Moreau', 'Bo Lindqvist', 'Chidi Okafor', 'Dana Petrov', 'Emi Tanaka', 'Farid Haddad'];
const HOSTS = ['web01', 'web02', 'db01', 'cache01', 'git01'];
const ROOMS = ['roof', 'cellar', 'lab', 'greenhouse'];
const TASKS = ['Install packages', 'Render configuration', 'Restart service', 'Wait for port', 'Run smoke test'];
const SUBJECTS = [
  'Fix race in volume detach',
  'Retry on connection loss',
  'Document the new option',
  'Drop support for old clients',
  'Speed up list queries',
];

type Maker = (random: Random, nowMs: number) => { topic: string; body: unknown; qos: QoS; retain?: boolean };

const comment: Maker = (random, nowMs) => {
  const project = pick(random, PROJECTS);
  const number = 880_000 + below(random, 9000);
  const vote = pick(random, ['-1', '0', '+1', '+2']);
  return {
    topic: `gerrit/${project}/comment-added`,
    qos: 1,
    body: {
      type: 'comment-added',
      project,
      change: { project, branch: 'master', number, subject: pick(random, SUBJECTS), status: 'NEW' },
      author: { name: pick(random, PEOPLE) },
      approvals: [{ type: 'Code-Review', value: vote }],
      comment: vote.startsWith('+') ? 'Looks good to me.' : 'One question inline.',
      eventCreatedOn: Math.floor(nowMs / 1000),
    },
  };
};

const merged: Maker = (random, nowMs) => {
  const project = pick(random, PROJECTS);
  return {
    topic: `gerrit/${project}/change-merged`,
    qos: 1,
    body: {
      type: 'change-merged',
      project,
      change: { project, branch: 'master', number: 880_000 + below(random, 9000), subject: pick(random, SUBJECTS), status: 'MERGED' },
      submitter: { name: 'Zuul' },
      newRev: hex(random, 40),
      eventCreatedOn: Math.floor(nowMs / 1000),
    },
  };
};

const bug: Maker = (random) => {
  const project = pick(random, PROJECTS).split('/')[1]!;
  const number = 1_680_000 + below(random, 9000);
  return {
    topic: `launchpad/${project}/bug/${number}`,
    qos: 1,
    body: {
      'bug-number': number,
      'event-type': 'bug',
      project,
      status: pick(random, ['New', 'Triaged', 'In Progress', 'Fix Committed']),
      importance: pick(random, ['Low', 'Medium', 'High']),
      'bug-reporter': pick(random, PEOPLE),
      tags: [pick(random, ['api', 'docs', 'gate-failure', 'low-hanging-fruit'])],
    },
  };
};

const task: Maker = (random) => {
  const host = pick(random, HOSTS);
  const status = random() < 0.93 ? 'OK' : 'FAILED';
  const playbook = `${hex(random, 8)}-${hex(random, 4)}-4${hex(random, 3)}-8${hex(random, 3)}-${hex(random, 12)}`;
  return {
    topic: `ansible/playbook/${playbook}/task/${host}/${status}`,
    qos: 0,
    body: {
      status,
      host,
      ansible_type: 'task',
      playbook_name: 'site.yaml',
      playbook_id: playbook,
      ansible_task: `TASK: ${pick(random, TASKS)}`,
    },
  };
};

const subunit: Maker = (random) => {
  const project = pick(random, PROJECTS);
  const uuid = hex(random, 32);
  return {
    topic: `gearman-subunit/worker${1 + below(random, 3)}/${project}/${880_000 + below(random, 9000)}`,
    qos: 1,
    body: {
      build_uuid: uuid,
      source_url: `https://logs.example.org/${uuid.slice(0, 2)}/testrepository.subunit`,
      status: random() < 0.9 ? 'success' : 'failed',
    },
  };
};

const telemetry: Maker = (random, nowMs) => {
  const room = pick(random, ROOMS);
  return {
    topic: `devices/${room}/telemetry`,
    qos: 0,
    body: {
      time: new Date(nowMs).toISOString(),
      temperature: round(16 + random() * 9),
      humidity: round(35 + random() * 30),
      battery: round(2.9 + random() * 0.4),
    },
  };
};

const state: Maker = (random) => {
  const room = pick(random, ROOMS);
  return {
    topic: `devices/${room}/state`,
    qos: 1,
    retain: true,
    body: { online: random() < 0.9, firmware: pick(random, ['1.4.2', '1.4.3', '1.5.0']) },
  };
};

/** Each kind of event up to its share of 100. */
const MIX: [number, Maker][] = [
  [24, comment],
  [30, merged],
  [40, bug],
  [62, task],
  [72, subunit],
  [94, telemetry],
  [100, state],
];

/** The next event of a busy infrastructure team: the same sequence for the same random numbers and times. */
export function nextDemoEvent(random: Random, nowMs: number): Event {
  const at = random() * 100;
  const make = MIX.find(([upTo]) => at < upTo)![1];
  const { topic, body, qos, retain = false } = make(random, nowMs);
  return { topic, payload: Buffer.from(JSON.stringify(body)), qos, retain, contentType: 'application/json', source: 'demo' };
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)]!;
}

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

function hex(random: Random, digits: number): string {
  return Array.from({ length: digits }, () => below(random, 16).toString(16)).join('');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
