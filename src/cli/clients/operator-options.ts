import type { Command } from 'commander';
import { dataOption } from '../options.ts';
import type { TlsOptions } from '../tls-options.ts';

/** How a command reaches a running server as an operator. */
export interface OperatorOptions extends TlsOptions {
  data?: string;
  http?: string;
  username?: string;
  pw?: string;
}

export function addOperatorOptions(command: Command): Command {
  return command
    .addOption(dataOption())
    .optionsGroup('Connection:')
    .option('--http <url>', 'a server elsewhere: http://HOST:PORT or https://; with an account that is one of its access.admins')
    .option('-u, --username <name>', 'account (default: HYDRANT_USER)')
    .option('-P, --pw <password>', 'better in HYDRANT_PASSWORD or, as a file, HYDRANT_PASSWORD_FILE: others see the command line')
    .option('--cafile <file>', 'certificate authorities to trust, PEM')
    .option('--cert <file>', 'client certificate, PEM')
    .option('--key <file>', 'its key, PEM')
    .option('--insecure', 'do not check the server’s certificate')
    .optionsGroup('Options:');
}
