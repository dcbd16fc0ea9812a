import type { ChildProcess } from 'node:child_process';
import pg from 'pg';
import type { PostgresServer } from '../../src/embedded/server.ts';
import { FOLLOWED, type Followed } from './feed-workloads.ts';
import { database, type Nearjoin, post, serveNearjoin, until } from './nearjoin-server.ts';
import { cpuSeconds } from './usage.ts';

/** The two databases, each with a connection for questions. */
export interface Databases {
  readonly source: PostgresServer;
  readonly target: PostgresServer;
  readonly onSource: pg.Client;
  readonly onTarget: pg.Client;
}

/** One way of following the target. */
export interface Contender {
  readonly name: string;
  /** Its slot on the target. */
  readonly slot: string;
  /** SQL name of its copy of a table. */
  relation(table: string): string;
  /** Lets go of the slot, so that a backlog gathers. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Processes whose CPU counts, beside the walsender. */
  pids(): Promise<readonly number[]>;
}

/** A superuser's connection that prints values the way both sides do. */
export async function connect(server: PostgresServer): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: server.url('postgres'), options: '-c TimeZone=UTC' });
  // At the end the server goes first, whatever happened.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Both databases, each with a connection. */
export async function connectBoth([source, target]: readonly [
  PostgresServer,
  PostgresServer,
]): Promise<Databases> {
  return { source, target, onSource: await connect(source), onTarget: await connect(target) };
}

async function untilIdle({ onTarget }: Databases, slot: string, isActive: boolean): Promise<void> {
  await until(
    `slot ${slot} to be ${isActive ? 'taken' : 'left'}`,
    async () => {
      const { rows } = await onTarget.query('select active from pg_replication_slots where slot_name = $1', [
        slot,
      ]);
      return rows[0]?.active === isActive;
    },
    60_000,
    5,
  );
}

/** What the subscription, its slot and its publication are called. */
export const NATIVE = 'native';

/** `CREATE SUBSCRIPTION` with its defaults into plain tables with the same indexes; also says how long the copy took. */
export async function startNative(
  databases: Databases,
  followed: Followed = FOLLOWED,
): Promise<{ readonly native: Contender; readonly seconds: number }> {
  const { onSource, onTarget, target } = databases;
  const address = pg.escapeLiteral(target.url('postgres'));
  await onSource.query(followed.sql);
  await onTarget.query(`create publication ${NATIVE} for table ${followed.tables.join(', ')}`);
  const started = performance.now();
  await onSource.query(
    `create subscription ${NATIVE} connection ${address} publication ${NATIVE} with (slot_name = ${NATIVE})`,
  );
  await until(
    'the native copy',
    async () => {
      const { rows } = await onSource.query("select from pg_subscription_rel where srsubstate <> 'r'");
      return rows.length === 0;
    },
    300_000,
  );
  const seconds = (performance.now() - started) / 1000;
  const native: Contender = {
    name: NATIVE,
    slot: NATIVE,
    relation: (table) => `public.${table}`,
    pause: async () => {
      await onSource.query(`alter subscription ${NATIVE} disable`);
      await untilIdle(databases, NATIVE, false);
    },
    resume: async () => {
      await onSource.query(`alter subscription ${NATIVE} enable`);
    },
    pids: async () => {
      const { rows } = await onSource.query('select pid from pg_stat_subscription where pid is not null');
      return rows.map((row) => Number(row.pid));
    },
  };
  return { native, seconds };
}

/** Feeds are led by a thread of their own, which is a moment behind the one that serves. */
function untilBothThreads({ onSource }: Databases): Promise<void> {
  return until(
    'the threads to listen for metadata',
    async () => {
      const { rows } = await onSource.query(
        "select from pg_stat_activity where application_name = 'nearjoin metadata listen'",
      );
      return rows.length === 2;
    },
    60_000,
  );
}

interface Started {
  readonly nearjoin: Contender;
  readonly server: Nearjoin;
  /** From the metadata on. */
  readonly seconds: number;
  /** CPU seconds of the process meanwhile. */
  readonly nodeSeconds: number;
}

/** A nearjoin process with both roles that caches the same tables; also says how long the copy took. */
export async function startNearjoin(
  databases: Databases,
  children: ChildProcess[],
  followed: Followed = FOLLOWED,
): Promise<Started> {
  const { onSource, source } = databases;
  await onSource.query('create database meta');
  await onSource.query('create table anchors (id int primary key, user_id int, w int)');
  const server = await serveNearjoin(source.url('meta'));
  children.push(server.process);
  await untilBothThreads(databases);
  const pid = server.process.pid ?? 0;
  const before = { at: performance.now(), cpu: cpuSeconds(pid) };
  await post(`${server.url}/v1/metadata`, { type: 'replace_metadata', args: metadata(databases, followed) });
  await until(
    'the copies to be ready',
    async () => {
      const ready = await onSource.query("select from nearjoin.cache_table where state = 'ready'");
      return ready.rows.length === followed.tables.length;
    },
    300_000,
  );
  const seconds = (performance.now() - before.at) / 1000;
  const nodeSeconds = cpuSeconds(pid) - before.cpu;
  const { rows } = await onSource.query('select table_name, relation from nearjoin.cache_table');
  const relations = new Map(rows.map((row) => [String(row.table_name), String(row.relation)]));
  const feed = await onSource.query('select slot from nearjoin.feed');
  const slot = String(feed.rows[0]?.slot);
  const order = async (what: string): Promise<void> => {
    const response = await fetch(`${server.url}/v1/replication/pg2/${what}`, { method: 'POST' });
    if (!response.ok) throw new Error(await response.text());
  };
  const nearjoin: Contender = {
    name: 'nearjoin',
    slot,
    relation: (table) => `nearjoin.${pg.escapeIdentifier(relations.get(table) ?? '')}`,
    pause: async () => {
      await order('pause');
      await untilIdle(databases, slot, false);
    },
    resume: async () => {
      await order('resume');
    },
    pids: async () => {
      const found = await onSource.query(
        "select pid from pg_stat_activity where application_name like 'nearjoin feed%'",
      );
      return [...found.rows.map((row) => Number(row.pid)), server.process.pid ?? 0];
    },
  };
  return { nearjoin, server, seconds, nodeSeconds };
}

/** Resolves when the contender's walsender is there. */
export function untilStreaming(databases: Databases, { slot }: Contender): Promise<void> {
  return untilIdle(databases, slot, true);
}

function metadata({ source, target }: Databases, { tables, relationships }: Followed): unknown {
  const anchors = { table: 'anchors', remote_relationships: relationships };
  return {
    version: 3,
    sources: [
      database('pg1', source, [anchors]),
      database(
        'pg2',
        target,
        tables.map((table) => ({ table })),
      ),
    ],
  };
}
