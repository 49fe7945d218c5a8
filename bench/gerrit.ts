import { createWriteStream, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { readMark } from '../src/journal/mark.ts';
import { Child } from '../src/testing/child.ts';
import { type Sshd, startSshd } from '../src/testing/sshd.ts';
import type { Result } from './results.ts';
import { BIN, type HydrantServer, peakMb, removeData, startHydrant } from './servers.ts';
import type { RunOptions } from './throughput.ts';

/** Lines for each second of a run. */
const LINES_PER_SECOND = 40_000;
const TICKS_PER_SECOND = 100;

type Figures = Record<'perSecond' | 'mbPerSecond' | 'sourceCpuUs' | 'serverCpuUs' | 'peakMb', number>;

/** Debian's sshd writes lines of a Gerrit stream as fast as they are taken; `hydrant source gerrit` publishes them to `hydrant up`. */
export async function runGerrit(options: RunOptions): Promise<Result['runs']> {
  const folder = await mkdtemp(join(options.folder, 'gerrit-'));
  const count = LINES_PER_SECOND * options.seconds;
  const lines = join(folder, 'lines');
  const bytes = await writeLines(lines, count);
  const all: Figures[] = [];
  try {
    for (let run = 0; run < options.runs; run++) {
      const server = await startHydrant(options.folder);
      try {
        await using sshd = await startSshd({ command: `cat '${lines}'; exec sleep 600` });
        all.push(await measure({ sshd, server, data: join(folder, `source-${run}`), count, bytes }));
      } finally {
        await server.stop();
        await removeData(server);
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  const names = Object.keys(all[0]!) as (keyof Figures)[];
  return { gerrit: Object.fromEntries(names.map((name) => [name, all.map((figures) => figures[name])])) };
}

async function measure(parts: { sshd: Sshd; server: HydrantServer; data: string; count: number; bytes: number }): Promise<Figures> {
  const { sshd, server, data, count, bytes } = parts;
  const journal = join(server.data, 'journal');
  const first = (await readMark(journal))?.seq ?? 0;
  const login = ['--host', '127.0.0.1', '--port', `${sshd.port}`, '--user', sshd.user, '--key', sshd.key, '--known-hosts', sshd.knownHosts];
  const url = ['--url', `mqtt://127.0.0.1:${server.mqttPort}`];
  await using source = new Child(BIN, ['source', 'gerrit', ...login, ...url, '--data', data]);
  const reached = async (seq: number): Promise<number> => {
    while (((await readMark(journal))?.seq ?? 0) < seq) {
      if (source.exit) throw new Error(`the source ended\n${source.text()}`);
      await sleep(5);
    }
    return performance.now();
  };
  const startMs = await reached(first + 1);
  const before = [source, server].map(cpuSeconds);
  const seconds = ((await reached(first + count)) - startMs) / 1000;
  const [sourceCpu, serverCpu] = [source, server].map((process, i) => ((cpuSeconds(process) - before[i]!) * 1e6) / count);
  const figures = { sourceCpuUs: sourceCpu!, serverCpuUs: serverCpu!, peakMb: peakMb(source) };
  return { perSecond: count / seconds, mbPerSecond: bytes / seconds / 1e6, ...figures };
}

/** Comments as a busy Gerrit sends them, about 1.3 kB each. @returns their size */
async function writeLines(path: string, count: number): Promise<number> {
  let bytes = 0;
  const account = { name: 'Ada Okafor', email: 'ada@example.org', username: 'ada' };
  const message = 'Move the lookup out of the loop\n\nIt was made for every instance, and the answer is the same for all of them.\n';
  const chunks = function* (): Generator<string> {
    for (let number = 0; number < count; number++) {
      const id = `I${number.toString(16).padStart(40, '0')}`;
      const change = {
        project: `openstack/${['nova', 'neutron', 'cinder', 'swift'][number % 4]}`,
        branch: 'master',
        id,
        number,
        subject: 'Move the lookup out of the loop',
        owner: account,
        url: `https://review.example.org/c/${number}`,
        commitMessage: `${message}\nChange-Id: ${id}\n`,
        createdOn: 1795300000,
        status: 'NEW',
      };
      const ref = `refs/changes/${number % 100}/${number}/1`;
      const patchSet = {
        number: 1,
        revision: id.slice(1),
        parents: [id.slice(1)],
        ref,
        uploader: account,
        author: account,
        kind: 'REWORK',
      };
      const approvals = [{ type: 'Code-Review', description: 'Code-Review', value: '1', oldValue: '0' }];
      const comment = `Patch Set 1: Code-Review+1\n\n${'Reads well, and the test shows the difference. '.repeat(4)}`;
      const about = { project: change.project, refName: 'refs/heads/master', changeKey: { id }, type: 'comment-added' };
      const eventCreatedOn = Math.floor(Date.now() / 1000);
      const line = `${JSON.stringify({ author: account, approvals, comment, patchSet, change, ...about, eventCreatedOn })}\n`;
      bytes += line.length;
      yield line;
    }
  };
  await pipeline(chunks, createWriteStream(path));
  return bytes;
}

/** Of the process and its threads. */
function cpuSeconds({ pid }: { pid: number }): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
