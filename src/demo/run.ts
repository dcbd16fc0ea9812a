import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { type Config, readConfig } from '../config.ts';
import { messageOf } from '../core/errors.ts';
import { createLog, type Log } from '../ops/log.ts';
import { type DemoDatabases, startDatabases, withClient } from './databases.ts';
import { type Lifetime, watchLifetime } from './lifetime.ts';
import { listenPort } from './listen-port.ts';
import { loadDemo } from './load.ts';
import { DEMO_USAGE, type DemoOptions, demoOptions } from './options.ts';
import { Screen } from './screen.ts';
import { showStatus, untilCached } from './status.ts';
import { keepWriting } from './writer.ts';

/** What still holds a handle after everything was stopped may not keep the process. */
const LAST_RESORT_MS = 2000;

/** Runs the demo until Ctrl-C, SIGTERM or the end of its parent; the answer is the exit code. */
export async function runDemo(argv: readonly string[]): Promise<number> {
  const code = await demo(argv);
  setTimeout(() => process.exit(code), LAST_RESORT_MS).unref();
  return code;
}

async function demo(argv: readonly string[]): Promise<number> {
  const screen = new Screen(process.stdout);
  const lifetime = await watchLifetime();
  try {
    const options = demoOptions(argv);
    if (options === 'help') {
      screen.line(DEMO_USAGE.trimEnd());
      return 0;
    }
    await runStage({
      options,
      screen,
      lifetime,
      log: createLog('warn', pino.destination({ fd: 2, sync: true })),
    });
    return 0;
  } catch (error) {
    if (isAsked(lifetime.signal, error)) return 0;
    screen.settle();
    process.stderr.write(`nearjoin demo: ${messageOf(error)}\n`);
    return 1;
  } finally {
    lifetime.dispose();
  }
}

interface Stage {
  readonly options: DemoOptions;
  readonly screen: Screen;
  readonly lifetime: Lifetime;
  readonly log: Log;
}

/** An abort that surfaces as an error is the end that was asked for; a server that died is not. */
function isAsked(signal: AbortSignal, error: unknown): boolean {
  return (
    signal.aborted && (error === signal.reason || (error instanceof Error && error.name === 'AbortError'))
  );
}

async function runStage(stage: Stage): Promise<void> {
  const { options, screen, lifetime } = stage;
  const port = await listenPort(options.port);
  screen.line('Starting two Postgres servers …');
  const databases = await startDatabases(options.dataDirectory, lifetime.signal);
  let crashed: string | null = null;
  void databases.ended.then((name) => {
    if (!lifetime.signal.aborted) crashed = name;
    lifetime.end(`${name} ended`);
  });
  try {
    await serveDemo(stage, databases, port);
  } finally {
    await databases.stop();
  }
  if (crashed !== null) throw new Error(`the Postgres server ${String(crashed)} ended by itself`);
}

async function serveDemo(stage: Stage, databases: DemoDatabases, port: number): Promise<void> {
  const { options, screen, lifetime, log } = stage;
  await withClient(databases.pg1, (orders) =>
    withClient(databases.pg2, (users) => loadDemo({ orders, users }, options.rows, screen, lifetime.signal)),
  );
  const { startServer } = await import('../serve.ts');
  lifetime.signal.throwIfAborted();
  const server = await startServer(demoConfig(databases, port), log, lifetime.signal);
  const writing = keepWriting(databases.pg2, log, lifetime.signal);
  try {
    const withinMs = 20_000 + options.rows;
    const cached = await untilCached(server.url, screen, { withinMs, signal: lifetime.signal });
    if (!lifetime.signal.aborted) welcome(stage, server.url, cached);
    await showStatus(server.url, screen, lifetime.signal);
    screen.settle();
    screen.line(`Stopping (${String(lifetime.signal.reason)}) …`);
  } finally {
    lifetime.end('stopping');
    await writing;
    await server.stop();
  }
}

function demoConfig(databases: DemoDatabases, port: number): Config {
  // The demo's metadata names these variables (`from_env`), as a deployment's would.
  process.env['PG1_URL'] = databases.pg1;
  process.env['PG2_URL'] = databases.pg2;
  return readConfig({
    NEARJOIN_METADATA_DATABASE_URL: databases.metadata,
    NEARJOIN_METADATA_DIR: join(projectDirectory(), 'metadata'),
    NEARJOIN_PORT: String(port),
    NEARJOIN_ENABLE_CONSOLE: 'true',
    NEARJOIN_LOG_LEVEL: 'warn', // the screen is for people; what needs attention still shows
  });
}

/** The nearest directory above that holds the demo's metadata: this file runs from `src` and from `dist/src`. */
function projectDirectory(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let at = start; at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, 'metadata', 'version.yaml'))) return at;
  }
  throw new Error(`no metadata directory above ${start}`);
}

function welcome({ screen, options }: Stage, url: string, cached: boolean): void {
  const query = '{ order(limit: 3, order_by: {id: desc}) { id total status user { name country } } }';
  const after =
    options.dataDirectory === null ? 'and removes the databases' : `and keeps ${options.dataDirectory}`;
  screen.line();
  screen.line(`nearjoin serves on ${url}`);
  if (!cached) screen.line('The cache is not complete yet; until it is, users are fetched live.');
  screen.line();
  screen.line('Orders are in database pg1, their users in database pg2. Try:');
  screen.line();
  screen.line(`  curl -si ${url}/v1/graphql -H 'content-type: application/json' \\`);
  screen.line(`    -d '{"query":"${query}"}'`);
  screen.line();
  screen.line(
    'The header Cache-Status says where the users came from: one local SQL statement (hit), or live from pg2',
  );
  screen.line("(fwd). Add  -H 'Cache-Control: no-cache'  to see them fetched live: the answer is the same.");
  screen.line(`The console is at ${url}/console: GraphiQL, replication, tables and relationships.`);
  screen.line(`Ctrl-C stops everything ${after}.`);
  screen.line();
}
