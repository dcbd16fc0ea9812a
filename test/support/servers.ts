import { execFile } from 'node:child_process';
import { access, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { must } from '../../src/core/assert.ts';
import { type PostgresOptions, type PostgresServer, startPostgres } from '../../src/embedded/server.ts';
import { poll } from './poll.ts';

/** What a test process must know to reach a server that the set-up started. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly version: number;
  /** Without a database: the tests append theirs. */
  readonly base: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: { readonly [which: string]: ServerAddress };
    /** Where the tests keep the servers that they start themselves. */
    scratch: string;
  }
}

/** Where Postgres 15 is, on a machine that has it. */
export const POSTGRES_15 = '/usr/lib/postgresql/15/bin';

/** What is written is not torn by a process that ends; and each database that goes is a checkpoint. */
const SETTINGS = { full_page_writes: 'off' };

const MEMORY = '/dev/shm';
/** For all servers together, with room to spare. */
const NEEDED_BYTES = 8 * 2 ** 30;

/** Boots the servers once for all test files; the returned function stops them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const wanted = new Map<string, PostgresOptions>([
    ['source', binaries('NEARJOIN_TEST_PG_SOURCE_BIN')],
    ['target', binaries('NEARJOIN_TEST_PG_TARGET_BIN')],
  ]);
  if (await exists(POSTGRES_15)) wanted.set('target15', { binDirectory: POSTGRES_15 });
  const scratch = await scratchFolder();
  project.provide('scratch', scratch);
  const started = await startAll(wanted, scratch);
  project.provide(
    'postgres',
    Object.fromEntries([...started].map(([which, server]) => [which, addressOf(server)])),
  );
  return async () => {
    await Promise.all([...started.values()].map((server) => server.stop()));
  };
}

/** Starts a target for one test alone, of the version that the environment asks for. */
export async function startTarget(options: PostgresOptions = {}): Promise<PostgresServer> {
  const start = (): Promise<PostgresServer> =>
    startPostgres({ fsync: false, ...binaries('NEARJOIN_TEST_PG_TARGET_BIN'), ...options });
  if (options.port === undefined) return start();
  const started: PostgresServer[] = [];
  // While a server is down its port may be given to a connection of somebody else, until that ends.
  await poll('the port to be free', async () => {
    const server = await start().catch((error: unknown) => {
      if (error instanceof Error && error.message.includes('could not bind')) return null;
      throw error;
    });
    if (server !== null) started.push(server);
    return server !== null;
  });
  return must(started[0], 'a server');
}

function binaries(variable: string): PostgresOptions {
  const binDirectory = process.env[variable];
  return binDirectory === undefined ? {} : { binDirectory };
}

async function startAll(
  wanted: ReadonlyMap<string, PostgresOptions>,
  within: string,
): Promise<Map<string, PostgresServer>> {
  const starting = [...wanted].map(
    async ([which, options]) =>
      [which, await startPostgres({ fsync: false, within, settings: SETTINGS, ...options })] as const,
  );
  const settled = await Promise.allSettled(starting);
  const failed = settled.find((each) => each.status === 'rejected');
  const running = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  if (failed === undefined) return new Map(running);
  await Promise.all(running.map(([, server]) => server.stop()));
  throw failed.reason;
}

/**
 * Thousands of databases are made, of hundreds of files each: on a file system in memory, where one has room, that takes
 * a tenth of the time. One that forbids programs cannot hold a private copy of the server's.
 */
async function scratchFolder(): Promise<string> {
  return (await hasRoomInMemory()) && (await runsPrograms(MEMORY)) ? MEMORY : tmpdir();
}

async function runsPrograms(folder: string): Promise<boolean> {
  const made = await mkdtemp(join(folder, 'nearjoin-test-')).catch(() => null);
  if (made === null) return false;
  const program = join(made, 'program');
  await writeFile(program, '#!/bin/sh\n', { mode: 0o755 });
  const ran = await promisify(execFile)(program).then(
    () => true,
    () => false,
  );
  await rm(made, { recursive: true });
  return ran;
}

async function hasRoomInMemory(): Promise<boolean> {
  const room = await statfs(MEMORY).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  return Math.min(room, freemem()) > NEEDED_BYTES;
}

function addressOf(server: PostgresServer): ServerAddress {
  return { host: server.host, port: server.port, version: server.version, base: server.url('') };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
