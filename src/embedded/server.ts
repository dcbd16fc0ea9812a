import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { NearjoinError } from '../core/errors.ts';
import { systemClock } from '../core/waiting/clock.ts';
import { type Account, canReach, serverAccount } from './account.ts';
import { type Binaries, findBinaries } from './binaries.ts';
import { type Cluster, openCluster, spawnOptions } from './cluster.ts';
import { type Guard, startGuard } from './guard.ts';
import { freePort } from './port.ts';

/** How to start a server; every field may be left out. */
export interface PostgresOptions {
  /** Kept after stop() and opened again by the next start; a temporary one is removed. */
  readonly directory?: string;
  /** Where the temporary directory is made, instead of the system's usual place. */
  readonly within?: string;
  /** A directory with `initdb` and `postgres`, instead of the npm package's. */
  readonly binDirectory?: string;
  /** A fixed port; without it a free one is found. */
  readonly port?: number;
  /** `false` makes tests faster; if the machine loses power the data is lost. */
  readonly fsync?: boolean;
  /** Further settings, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A server that runs until stop(), or until this process ends in any way. */
export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  /** The major version, as in 18. */
  readonly version: number;
  readonly pid: number;
  /** The superuser's connection string. */
  url(database: string): string;
  /** Resolves when the server process is gone, asked for or not. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const READY_WITHIN_MS = 60_000;
const LOCK_FREE_WITHIN_MS = 10_000;
const PORT_TRIES = 8;

/** Starts a Postgres with logical replication ready to use. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const account = await serverAccount();
  const directory = await workDirectory(options, account);
  const guard = startGuard(options.directory === undefined ? directory : null);
  try {
    const binaries = await findBinaries({
      account,
      scratch: directory,
      ...(options.binDirectory === undefined ? {} : { directory: options.binDirectory }),
    });
    const cluster = await openCluster({ directory, binaries, account, guard });
    const started = await launch({ options, directory, account, guard, binaries, cluster });
    return serverOf(started, binaries, cluster, guard);
  } catch (error) {
    await guard.release();
    options.signal?.throwIfAborted(); // what failed because it was stopped reports the stop
    throw error;
  }
}

async function workDirectory(
  { directory: wanted, within = tmpdir() }: PostgresOptions,
  account: Account | null,
): Promise<string> {
  if (wanted !== undefined) {
    const directory = resolve(wanted);
    await makeDirectory(directory);
    await rm(join(directory, 'native'), { recursive: true, force: true }); // a private copy of an earlier run
    return handOver(directory, account);
  }
  const parent = (await canReach(within, account)) ? within : '/tmp';
  return handOver(await mkdtemp(join(parent, 'nearjoin-pg-')), account);
}

/** Node's own way to make those above tries for ever where a file system takes none, such as `/proc`. */
async function makeDirectory(path: string): Promise<void> {
  if (existsSync(path)) return;
  await makeDirectory(dirname(path));
  await mkdir(path, { mode: 0o755 }).catch((error: unknown) => {
    if (!existsSync(path)) throw error; // else another server's was made there meanwhile
  });
}

async function handOver(directory: string, account: Account | null): Promise<string> {
  await chmod(directory, 0o700);
  if (account === null) return directory;
  await chown(directory, account.uid, account.gid);
  if (await canReach(directory, account)) return directory;
  throw new NearjoinError(
    'start-failed',
    `Postgres runs as account "${account.name}" here, which cannot reach ${directory}: choose another directory`,
  );
}

/** What a server is launched from. */
interface Launch {
  readonly options: PostgresOptions;
  readonly directory: string;
  readonly account: Account | null;
  readonly guard: Guard;
  readonly binaries: Binaries;
  readonly cluster: Cluster;
}

interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly port: number;
  readonly ended: Promise<void>;
}

async function launch(setup: Launch): Promise<Started> {
  const { port, signal } = setup.options;
  const lockedUntil = systemClock.monotonicMs() + LOCK_FREE_WITHIN_MS;
  for (let tried = 1; ; tried += 1) {
    const outcome = await tryLaunch(setup, port ?? (await freePort()));
    if (outcome.kind === 'ready') return outcome.started;
    // Another process may have taken the free port; a server that is stopping holds its lock a moment longer.
    const again =
      (isPortTaken(outcome.log) && port === undefined && tried < PORT_TRIES) ||
      (isLocked(outcome.log) && systemClock.monotonicMs() < lockedUntil);
    if (!again) throw new NearjoinError('start-failed', failure(outcome.log, setup));
    await systemClock.delay(100, signal);
    signal?.throwIfAborted();
  }
}

function isPortTaken(log: string): boolean {
  return /could not bind|could not create any TCP\/IP sockets/.test(log);
}

function isLocked(log: string): boolean {
  return /lock file "postmaster.pid" already exists|pre-existing shared memory/.test(log);
}

function failure(log: string, setup: Launch): string {
  const lines = log.trim().split('\n').slice(-5).join('\n');
  return `Postgres ${setup.binaries.version} did not start in ${setup.directory}:\n${lines}`;
}

type Outcome =
  | { readonly kind: 'ready'; readonly started: Started }
  | { readonly kind: 'failed'; readonly log: string };

async function tryLaunch(setup: Launch, port: number): Promise<Outcome> {
  const logPath = join(setup.directory, 'server.log');
  const log = await open(logPath, 'w', 0o600);
  const child = spawn(
    join(setup.binaries.directory, 'postgres'),
    ['-D', setup.cluster.data, ...settings(setup.options, port)],
    { ...spawnOptions(setup), stdio: ['ignore', log.fd, log.fd] },
  );
  const ended = once(child, 'exit').then(() => undefined); // before anything is awaited: it may exit at once
  ended.catch(() => undefined); // an executable that cannot run: seen below as a missing pid
  if (child.pid !== undefined) setup.guard.watch(child.pid);
  await log.close();
  if (child.pid === undefined) return { kind: 'failed', log: 'the executable could not be started' };
  void ended.then(() => child.pid !== undefined && setup.guard.forget(child.pid));
  const started: Started = { child, pid: child.pid, port, ended };
  if (await becomesReady(started, setup)) return { kind: 'ready', started };
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGQUIT');
  await ended;
  return { kind: 'failed', log: await readFile(logPath, 'utf8') };
}

/** Ready when postmaster.pid says so for this pid: a server that crashed leaves a file that says ready, too. */
async function becomesReady({ child, pid }: Started, { cluster, options }: Launch): Promise<boolean> {
  const until = systemClock.monotonicMs() + READY_WITHIN_MS;
  while (child.exitCode === null && child.signalCode === null && systemClock.monotonicMs() < until) {
    if (options.signal?.aborted === true) return false;
    const lines = (await readFile(join(cluster.data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
    if (Number(lines[0]) === pid && lines[7]?.trim() === 'ready') return true;
    await systemClock.delay(15, options.signal);
  }
  return false;
}

function settings(options: PostgresOptions, port: number): readonly string[] {
  const all: Record<string, string> = {
    listen_addresses: HOST,
    port: String(port),
    unix_socket_directories: '',
    wal_level: 'logical',
    max_connections: '300',
    max_wal_senders: '64',
    max_replication_slots: '64',
    max_logical_replication_workers: '0',
    fsync: options.fsync === false ? 'off' : 'on',
    ...options.settings,
  };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

function serverOf(started: Started, binaries: Binaries, cluster: Cluster, guard: Guard): PostgresServer {
  let stopping: Promise<void> | null = null;
  return {
    host: HOST,
    port: started.port,
    version: binaries.version,
    pid: started.pid,
    ended: started.ended,
    url: (database) =>
      `postgres://postgres:${cluster.password}@${HOST}:${started.port}/${encodeURIComponent(database)}`,
    // The guard stops the server in the same way whether it is asked to or this process dies.
    stop: () => (stopping ??= guard.release().then(() => started.ended)),
  };
}
