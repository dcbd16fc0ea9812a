import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../src/embedded/port.ts';
import type { PostgresServer } from '../../src/embedded/server.ts';
import { forkApart } from './fork-apart.ts';

/** A nearjoin process under measurement. */
export interface Nearjoin {
  readonly url: string;
  readonly process: ChildProcess;
}

const OWN_BUILD = fileURLToPath(new URL('../../src/main.js', import.meta.url));

/** Starts `nearjoin serve` with these variables of the environment, its metadata in the database given, without access log. */
export async function serveNearjoin(
  metadataUrl: string,
  env: Readonly<Record<string, string>> = {},
  main = OWN_BUILD,
): Promise<Nearjoin> {
  const port = await freePort();
  const profiles = process.env['BENCH_PROFILE'];
  const child = forkApart(main, ['serve'], {
    env: {
      PATH: process.env['PATH'] ?? '',
      NEARJOIN_METADATA_DATABASE_URL: metadataUrl,
      NEARJOIN_PORT: String(port),
      NEARJOIN_LOG_LEVEL: 'warn',
      ...env,
    },
    execArgv: profiles === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profiles],
  });
  const url = `http://127.0.0.1:${port}`;
  await until('nearjoin to serve', async () => (await fetch(`${url}/healthz`)).ok, 10_000);
  return { url, process: child };
}

/** Posts JSON; throws what the answer says when it is an error. */
export async function post(url: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}

/** Waits until so many tables are ready; says after how many seconds. */
export async function untilReady(url: string, count: number): Promise<number> {
  const started = performance.now();
  const isReady = async (): Promise<boolean> => {
    const { feeds } = (await (await fetch(`${url}/v1/replication`)).json()) as {
      feeds: { tables: { state: string }[] }[];
    };
    const tables = feeds.flatMap((feed) => feed.tables);
    return tables.length === count && tables.every((table) => table.state === 'ready');
  };
  await until('the tables to be ready', isReady, 300_000, 50);
  return (performance.now() - started) / 1000;
}

/** A source of a metadata document. */
export function database(name: string, server: PostgresServer, tables: readonly unknown[]): unknown {
  const configuration = { connection_info: { database_url: server.url('postgres') } };
  return { name, kind: 'postgres', configuration, tables };
}

/** A relationship to a table of `pg2`. */
export function remote(
  name: string,
  kind: 'object' | 'array',
  table: string,
  mapping: Readonly<Record<string, string>>,
): unknown {
  return {
    name,
    definition: {
      to_source: { relationship_type: kind, source: 'pg2', table, field_mapping: mapping },
    },
  };
}

/** Asks again until the answer is true; an answer that cannot be had yet counts as false. */
export async function until(
  what: string,
  isSo: () => Promise<boolean>,
  withinMs: number,
  everyMs = 20,
): Promise<void> {
  const end = performance.now() + withinMs;
  let failure: unknown = null;
  for (;;) {
    try {
      if (await isSo()) return;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`, { cause: failure });
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
