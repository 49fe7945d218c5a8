import { Option } from 'commander';
import { packageVersion } from '../../core/version.ts';
import { SOURCES } from '../../sources/registry.ts';
import type { SourceKind } from '../../sources/source.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { durationMs } from '../options.ts';
import { addBusOptions, type BusOptions, busTarget } from './bus-options.ts';
import { kindFlags } from './kind-flags.ts';
import { printSteps } from './print-steps.ts';
import { addSpecOptions, readSpec, type SpecOptions } from './spec.ts';

type RunOptions = SpecOptions & BusOptions;

/** A command for each kind of source, and `test` with one for each. */
export function sourceCommands(): CommandDefinition[] {
  const test: CommandDefinition = {
    name: 'test',
    summary: 'connect to a source, show three of its events, and explain what fails; publishes nothing',
    examples: [],
    commands: SOURCES.map(testCommand),
  };
  return [...SOURCES.map(runCommand), test];
}

function runCommand(kind: SourceKind): CommandDefinition {
  const flags = kindFlags(kind);
  return defineCommand<RunOptions>({
    name: kind.name,
    summary: kind.summary,
    notes: [
      'Publishes through an outbox in the data folder, so nothing that was read is lost while the bus is away. Runs until SIGTERM or SIGINT, then sends what it can and exits 0; what is left, the next start sends.',
      `The options may stand in hydrant.yaml of the data folder instead, under sources.${kind.name}, where \`hydrant up\` runs it too; secrets also as HYDRANT_SOURCE_<OPTION>. docs/guide/sources.md.`,
    ],
    examples: kind.examples.map(([line, what]) => [`hydrant source ${kind.name} ${line}`, what]),
    ownSignals: true,
    define: (command) => void addBusOptions(addSpecOptions(command, kind, flags)),
    async run({ args, options, io }) {
      const [{ runSourceService }, { inputs, spec }] = await Promise.all([
        import('../../app/run-source.ts'),
        readSpec(kind, flags, { args, options, env: io.env }),
      ]);
      return runSourceService({
        inputs,
        spec,
        bus: busTarget(options, io.env),
        stdout: kind.writesStdout?.(spec.options) ? io.stderr : io.stdout,
        command: ['hydrant', ...process.argv.slice(2)].join(' '),
        version: packageVersion(),
      });
    },
  });
}

function testCommand(kind: SourceKind): CommandDefinition {
  const flags = kindFlags(kind);
  return defineCommand<SpecOptions & { wait: number }>({
    name: kind.name,
    summary: `try ${kind.name}: ${kind.summary}`,
    examples: kind.examples
      .slice(0, 1)
      .map(([line]) => [`hydrant source test ${kind.name} ${line.replace(/ --url \S+/, '')}`, 'before it runs for good']),
    define: (command) =>
      void addSpecOptions(command, kind, flags).addOption(
        new Option('--wait <time>', 'wait so long for events').argParser(durationMs).default(30_000, '30s'),
      ),
    async run({ args, options, io }) {
      const [{ testSource }, { spec }] = await Promise.all([
        import('../../sources/run/test-source.ts'),
        readSpec(kind, flags, { args, options, env: io.env }),
      ]);
      return printSteps(io, testSource(spec, AbortSignal.any([io.signal, AbortSignal.timeout(options.wait)])), options.wait);
    },
  });
}
