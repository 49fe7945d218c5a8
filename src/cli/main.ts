import { runCli } from './cli.ts';
import { processIo } from './io.ts';

const io = processIo();
process.exitCode = await runCli(process.argv.slice(2), io, io.watchSignals);
