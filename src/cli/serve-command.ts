import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { type Config, readConfig } from '../config.ts';
import { messageOf } from '../core/errors.ts';
import { createLog, type Log } from '../ops/log.ts';
import type { RunningServer } from '../serve.ts';
import { complain, tell } from './terminal.ts';

const USAGE = `Usage: nearjoin serve

Runs the server. Everything is configured by the environment; NEARJOIN_METADATA_DATABASE_URL is required.
It serves when the log has a line with "msg":"ready"; SIGTERM, SIGINT and SIGHUP end it after the requests under way, a second one at once.`;

/** A shutdown takes a bounded time; this long after it the process ends even if something still holds a handle. */
const LAST_RESORT_MS = 2500;

/** Runs `nearjoin serve` until a signal asks it to stop; the answer is the exit code. */
export async function runServe(argv: readonly string[]): Promise<number> {
  let config: Config;
  try {
    const { values } = parseArgs({ args: [...argv], options: { help: { type: 'boolean', short: 'h' } } });
    if (values.help === true) return tell(USAGE);
    config = readConfig(process.env);
  } catch (error) {
    return complain(`serve: ${messageOf(error)}`);
  }
  const log = createLog(config.logLevel);
  const stopping = stopOnSignal(config, log);
  try {
    const { startServer } = await import('../serve.ts');
    const server = await startServer(config, log, stopping);
    tellReady(log, { url: server.url, roles: config.roles });
    if (!stopping.aborted) await once(stopping, 'abort');
    return await stopInOrder(server, log);
  } catch (error) {
    if (stopping.aborted) return stopped(log);
    log.debug({ err: error }, 'start failed');
    process.exitCode = complain(`serve: ${messageOf(error)}`);
    exitSoon(1);
    return 1;
  }
}

/** Scripts wait for this line, so it is written at every level but `silent`. */
function tellReady(log: Log, facts: Pick<RunningServer, 'url'> & Pick<Config, 'roles'>): void {
  const told = log.level === 'silent' ? log : log.child({}, { level: 'info' });
  told.info(facts, 'ready');
}

async function stopInOrder(server: RunningServer, log: Log): Promise<number> {
  try {
    await server.stop();
  } catch (error) {
    log.error({ err: error }, 'stopped with an error');
    exitSoon(0);
    return 0;
  }
  return stopped(log);
}

function stopped(log: Log): number {
  log.info('stopped');
  exitSoon(0);
  return 0;
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** The first signal stops the server in order, the second ends the process at once. A terminal that closes may send SIGHUP twice. */
function stopOnSignal({ shutdownDelayMs, shutdownTimeoutMs }: Config, log: Log): AbortSignal {
  const stopping = new AbortController();
  const asked = (signal: NodeJS.Signals): void => {
    if (stopping.signal.aborted && signal !== 'SIGHUP') process.exit(1);
    if (stopping.signal.aborted) return;
    log.info({ signal }, 'stopping');
    exitSoon(0, shutdownDelayMs + shutdownTimeoutMs + LAST_RESORT_MS);
    stopping.abort();
  };
  for (const signal of SIGNALS) process.on(signal, asked);
  return stopping.signal;
}

/** Ends the process even if something still holds a handle; the timer itself does not keep it alive. */
function exitSoon(code: number, afterMs = 500): void {
  setTimeout(() => process.exit(code), afterMs).unref();
}
