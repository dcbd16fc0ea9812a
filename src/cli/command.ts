import { nearjoinVersion } from '../version.ts';
import { complain, endWithOutput, tell } from './terminal.ts';

const USAGE = `Usage: nearjoin <command> [options]

Commands:
  serve      run the server, configured by the environment (NEARJOIN_*)
  demo       boot two Postgres servers and serve a demo over them
  metadata   apply, export, diff, reload or check metadata of a running server
  status     show the feeds of a running server; --watch keeps showing them
  verify     compare caches with their targets; --repair makes rows that differ right

Options:
  -h, --help     show this help, or a command's with the command before it
  -v, --version  show the version
`;

/** Runs what the command line asks for; the answer is the exit code. Commands load only what they need. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  // A server goes on without a log.
  if (command !== 'serve') endWithOutput();
  switch (command) {
    case 'serve': {
      const { runServe } = await import('./serve-command.ts');
      return runServe(rest);
    }
    case 'demo': {
      const { runDemo } = await import('../demo/run.ts');
      return runDemo(rest);
    }
    case 'metadata': {
      const { runMetadata } = await import('./metadata.ts');
      return runMetadata(rest);
    }
    case 'status': {
      const { runStatus } = await import('./status.ts');
      return runStatus(rest);
    }
    case 'verify': {
      const { runVerify } = await import('./verify.ts');
      return runVerify(rest);
    }
    case '-v':
    case '--version':
      return tell(`nearjoin ${nearjoinVersion()}`);
    case 'help':
    case '-h':
    case '--help':
      return tell(USAGE.trimEnd());
    case undefined:
      return complain(`needs a command\n\n${USAGE.trimEnd()}`);
    default:
      return complain(`has no command "${command}"; nearjoin --help lists them`);
  }
}
