import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { must } from '../../src/core/assert.ts';
import type { PostgresServer } from '../../src/embedded/server.ts';
import { forkApart } from './fork-apart.ts';
import { database, post, remote, serveNearjoin, untilReady } from './nearjoin-server.ts';
import { dataSql, type Workload } from './workloads.ts';

/** A process that serves. */
interface Listening {
  readonly port: number;
  readonly pid: number;
}

/** A server that answers every workload. */
export interface Contender extends Listening {
  readonly name: string;
  /** The text that this contender takes for a workload. */
  readonly query: (workload: Workload) => string;
}

/** Both databases, the processes to end afterwards, and where progress is told. */
export interface Stage {
  readonly source: PostgresServer;
  readonly target: PostgresServer;
  readonly scale: number;
  readonly children: ChildProcess[];
  readonly say: (line: string) => void;
}

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** Runs statements one after the other. */
export async function execute(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** nearjoin by both routes, the bare-SQL limit over nearjoin's own copies, and a lean live join. */
export async function ownContenders(stage: Stage): Promise<readonly Contender[]> {
  const { source, target } = stage;
  const nearjoin = await startNearjoin(stage);
  const relation = await cacheRelations(source.url('postgres'));
  const [users, reviews] = [relation('users'), relation('reviews')];
  await execute(source.url('postgres'), [`vacuum analyze ${users}, ${reviews}`]);
  const limit = await forked('./limit-server.js', stage, {
    DATABASE_URL: source.url('postgres'),
    USERS: users,
    REVIEWS: reviews,
  });
  const lean = await forked('./lean-join.js', stage, {
    SOURCE_URL: source.url('postgres'),
    TARGET_URL: target.url('postgres'),
  });
  const plain = ({ query }: Workload): string => query;
  const live = ({ query }: Workload): string =>
    query.replace(')', ') @freshness(max_staleness_ms: 0, fallback: live)');
  return [
    { name: 'limit', ...limit, query: plain },
    { name: 'cached', ...nearjoin, query: plain },
    { name: 'lean join', ...lean, query: plain },
    { name: 'live', ...nearjoin, query: live },
  ];
}

/** Another build of nearjoin, in the checkout given, over the same metadata and caches: what a change gains or loses shows in one run. */
export async function otherBuild({ source, children }: Stage, checkout: string): Promise<Contender> {
  const main = join(checkout, 'dist/src/main.js');
  const { url, process: child } = await serveNearjoin(source.url('meta'), {}, main);
  children.push(child);
  return { name: basename(checkout), ...listening(url, child), query: ({ query }) => query };
}

/** Two databases for PostGraphile beside the source's own: one with copies of the remote tables, one that reaches them by postgres_fdw. */
export async function makePeerDatabases({ source, target, scale, say }: Stage): Promise<void> {
  say('making the databases of the peers …');
  await execute(source.url('template1'), [
    'create database peer_local template postgres',
    'create database peer_fdw template postgres',
  ]);
  const { target: remote } = dataSql(scale);
  await execute(source.url('peer_local'), [
    ...remote,
    'alter table orders add foreign key (user_id) references users',
    'alter table reviews add foreign key (user_id) references users',
    'alter table reviews add foreign key (product_id) references products',
    'create index on users (name)',
    'vacuum analyze',
  ]);
  const { hostname, port, username, password } = new URL(target.url('postgres'));
  const literal = pg.escapeLiteral;
  await execute(source.url('peer_fdw'), [
    'create extension postgres_fdw',
    `create server far foreign data wrapper postgres_fdw options (host ${literal(hostname)}, port ${literal(port)}, dbname 'postgres', use_remote_estimate 'true')`,
    `create user mapping for current_user server far options (user ${literal(decodeURIComponent(username))}, password ${literal(decodeURIComponent(password))}, password_required 'false')`,
    'import foreign schema public limit to (users, reviews) from server far into public',
    `comment on foreign table users is '@primaryKey id'`,
    `comment on foreign table reviews is E'@primaryKey id\\n@foreignKey (user_id) references users (id)\\n@foreignKey (product_id) references products (id)'`,
    `comment on table orders is '@foreignKey (user_id) references users (id)'`,
    'vacuum analyze',
  ]);
}

/** PostGraphile on local copies and over postgres_fdw; its packages are installed by `npm run bench:peers`. */
export async function peerContenders(stage: Stage): Promise<readonly Contender[]> {
  const server = here('../../../test/bench/peers/postgraphile.mjs');
  if (!existsSync(here('../../../test/bench/peers/node_modules/postgraphile')))
    throw new Error('the peers are not installed: npm run bench:peers');
  const started = async (database: string): Promise<Listening> =>
    forked(server, stage, { DATABASE_URL: stage.source.url(database), NODE_ENV: 'production' });
  const query = ({ postgraphile }: Workload): string => postgraphile;
  return [
    { name: 'PostGraphile, local copies', ...(await started('peer_local')), query },
    { name: 'PostGraphile, postgres_fdw', ...(await started('peer_fdw')), query },
  ];
}

async function forked(
  file: string,
  { children }: Stage,
  env: Readonly<Record<string, string>>,
): Promise<Listening> {
  const child = forkApart(file.startsWith('.') ? here(file) : file, [], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
  });
  children.push(child);
  const [message] = (await once(child, 'message')) as [{ port: number }];
  return { port: message.port, pid: must(child.pid, 'process that has begun') };
}

async function startNearjoin({ source, target, children, say }: Stage): Promise<Listening> {
  await execute(source.url('postgres'), ['create database meta']);
  const { url, process: child } = await serveNearjoin(source.url('meta'));
  children.push(child);
  await post(`${url}/v1/metadata`, { type: 'replace_metadata', args: metadata(source, target) });
  say(`copied and caught up in ${(await untilReady(url, 2)).toFixed(1)} s`);
  return listening(url, child);
}

function listening(url: string, { pid }: ChildProcess): Listening {
  return { port: Number(new URL(url).port), pid: must(pid, 'process that has begun') };
}

function metadata(source: PostgresServer, target: PostgresServer): unknown {
  const user = {
    name: 'user',
    using: { manual_configuration: { remote_table: 'users', column_mapping: { user_id: 'id' } } },
  };
  return {
    version: 3,
    sources: [
      database('pg1', source, [
        { table: 'orders', remote_relationships: [remote('user', 'object', 'users', { user_id: 'id' })] },
        {
          table: 'products',
          remote_relationships: [remote('reviews', 'array', 'reviews', { id: 'product_id' })],
        },
      ]),
      database('pg2', target, [{ table: 'users' }, { table: 'reviews', object_relationships: [user] }]),
    ],
  };
}

async function cacheRelations(url: string): Promise<(table: string) => string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ table_name: string; relation: string }>(
    'select table_name, relation from nearjoin.cache_table',
  );
  await client.end();
  return (table) =>
    `nearjoin.${pg.escapeIdentifier(rows.find((row) => row.table_name === table)?.relation ?? '')}`;
}
