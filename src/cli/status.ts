import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.ts';
import { systemClock } from '../core/waiting/clock.ts';
import { readFeeds } from './replication.ts';
import { SERVER_OPTIONS, SERVER_USAGE, type Server, serverOf } from './server.ts';
import { printFeeds } from './status-table.ts';
import { complain, screenOf, tell } from './terminal.ts';

const USAGE = `Usage: nearjoin status [--watch] [--endpoint URL] [--admin-secret S]

Shows every feed of a running server: its state, how old its cache is, the WAL it holds, and how far copies are.

  --watch           show it again every second until Ctrl-C
${SERVER_USAGE}`;

const WATCH_INTERVAL_MS = 1000;

/** Runs `nearjoin status`; the answer is the exit code. */
export async function runStatus(argv: readonly string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        watch: { type: 'boolean', short: 'w' },
        ...SERVER_OPTIONS,
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help === true) return tell(USAGE);
    const server = serverOf(values);
    return values.watch === true ? await watch(server) : tell(printFeeds(await readFeeds(server)));
  } catch (error) {
    return complain(`status: ${messageOf(error)}`);
  }
}

/** A server that is away for a moment does not end the watch. */
async function watch(server: Server): Promise<number> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  while (!stop.signal.aborted) {
    const text = await readFeeds(server).then(printFeeds, messageOf);
    // Without a terminal the output is a log: each status is appended.
    process.stdout.write(process.stdout.isTTY ? screenOf(text, process.stdout) : `${text}\n\n`);
    await systemClock.delay(WATCH_INTERVAL_MS, stop.signal);
  }
  return 0;
}
