import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { freePort } from '../../src/embedded/port.ts';
import { type PostgresServer, startPostgres } from '../../src/embedded/server.ts';
import { type LoadResult, load } from './load.ts';
import { dataSql, WORKLOADS, type Workload } from './workloads.ts';

// Reads against the bare-SQL limit, side by side in one run: rounds interleaved, medians of the ratio inside a round.
//   npm run bench -- [scale=1] [seconds=3] [rounds=3]

const [scale = 1, seconds = 3, rounds = 3] = process.argv.slice(2).map(Number);
const CONNECTIONS = 16;

interface Contender {
  readonly name: string;
  readonly port: number;
  /** Added to every request's variables text: nothing but the route differs. */
  readonly live: boolean;
}

const say = (line: string): boolean => process.stdout.write(`${line}\n`);
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

async function main(): Promise<void> {
  const children: ChildProcess[] = [];
  const servers = await Promise.all([
    startPostgres({ settings: SETTINGS }),
    startPostgres({ settings: SETTINGS }),
  ]);
  try {
    await run(servers, children);
  } finally {
    for (const child of children) child.kill('SIGTERM');
    await Promise.all(servers.map((server) => server.stop()));
  }
}

const SETTINGS = { shared_buffers: '1GB', max_wal_size: '4GB' };

async function run(
  [source, target]: [PostgresServer, PostgresServer],
  children: ChildProcess[],
): Promise<void> {
  const data = dataSql(scale);
  say(`loading data at scale ${scale} …`);
  await Promise.all([
    execute(source.url('postgres'), data.source),
    execute(target.url('postgres'), data.target),
  ]);
  const nearjoin = await startNearjoin(source, target, children);
  const relation = await cacheRelations(source.url('postgres'));
  await execute(source.url('postgres'), [`vacuum analyze ${relation('users')}, ${relation('reviews')}`]);
  const limitEnv = {
    DATABASE_URL: source.url('postgres'),
    USERS: relation('users'),
    REVIEWS: relation('reviews'),
  };
  const limit = await forked('./limit-server.js', limitEnv, children);
  const lean = await forked(
    './lean-join.js',
    { SOURCE_URL: source.url('postgres'), TARGET_URL: target.url('postgres') },
    children,
  );
  const contenders: Contender[] = [
    { name: 'limit', port: limit, live: false },
    { name: 'cached', port: nearjoin, live: false },
    { name: 'lean join', port: lean, live: false },
    { name: 'live', port: nearjoin, live: true },
  ];
  await checkAnswers(contenders);
  const table: string[] = [];
  for (const workload of WORKLOADS) table.push(await measure(workload, contenders));
  say(
    `\n${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, Postgres ${source.version}, ${CONNECTIONS} connections, ${rounds} rounds of ${seconds} s`,
  );
  say(
    '| | limit req/s | cached ÷ limit | cached p99 ÷ limit p99 | lean join ÷ limit | live ÷ lean join |\n| --- | --- | --- | --- | --- | --- |',
  );
  for (const row of table) say(row);
}

async function execute(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

async function forked(file: string, env: Record<string, string>, children: ChildProcess[]): Promise<number> {
  const child = fork(here(file), { env: { PATH: process.env['PATH'] ?? '', ...env } });
  children.push(child);
  const [message] = (await once(child, 'message')) as [{ port: number }];
  return message.port;
}

async function startNearjoin(
  source: PostgresServer,
  target: PostgresServer,
  children: ChildProcess[],
): Promise<number> {
  await execute(source.url('postgres'), ['create database meta']);
  const port = await freePort();
  // No contender writes a line per request.
  const env = {
    NEARJOIN_METADATA_DATABASE_URL: source.url('meta'),
    NEARJOIN_PORT: String(port),
    NEARJOIN_LOG_LEVEL: 'warn',
  };
  const child = fork(here('../../src/main.js'), ['serve'], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    execArgv:
      process.env['BENCH_PROFILE'] === undefined
        ? []
        : ['--cpu-prof', '--cpu-prof-dir', process.env['BENCH_PROFILE']],
  });
  children.push(child);
  const url = `http://127.0.0.1:${port}`;
  await untilServing(url);
  await post(`${url}/v1/metadata`, { type: 'replace_metadata', args: metadata(source, target) });
  await untilReady(url);
  return Number(new URL(url).port);
}

function metadata(source: PostgresServer, target: PostgresServer): unknown {
  const remote = (
    name: string,
    relationship_type: string,
    table: string,
    field_mapping: Record<string, string>,
  ) => ({
    name,
    definition: { to_source: { relationship_type, source: 'pg2', table, field_mapping } },
  });
  const database = (name: string, server: PostgresServer, tables: unknown[]) => ({
    name,
    kind: 'postgres',
    configuration: { connection_info: { database_url: server.url('postgres') } },
    tables,
  });
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

async function post(url: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}

async function untilServing(url: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      if ((await fetch(`${url}/healthz`)).ok) return;
    } catch (error) {
      if (tries > 200) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function untilReady(url: string): Promise<void> {
  const started = performance.now();
  for (;;) {
    const { feeds } = (await (await fetch(`${url}/v1/replication`)).json()) as {
      feeds: { tables: { state: string }[] }[];
    };
    const tables = feeds.flatMap((feed) => feed.tables);
    if (tables.length === 2 && tables.every((table) => table.state === 'ready')) break;
    if (performance.now() - started > 300_000) throw new Error(`not ready: ${JSON.stringify(feeds)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  say(`copied and caught up in ${((performance.now() - started) / 1000).toFixed(1)} s`);
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

function bodiesOf(workload: Workload, live: boolean): string[] {
  const query = live
    ? workload.query.replace(')', ') @freshness(max_staleness_ms: 0, fallback: live)')
    : workload.query;
  return Array.from({ length: 4096 }, (_, n) => JSON.stringify({ query, variables: workload.variables(n) }));
}

async function checkAnswers(contenders: readonly Contender[]): Promise<void> {
  for (const workload of WORKLOADS) {
    const answers = await Promise.all(
      contenders.map(async ({ port, live }) => {
        const body = JSON.parse(bodiesOf(workload, live)[3] ?? '');
        return JSON.stringify(normalised(await post(`http://127.0.0.1:${port}/v1/graphql`, body)));
      }),
    );
    if (new Set(answers).size !== 1)
      throw new Error(
        `${workload.name}: answers differ:\n${answers.map((one) => one.slice(0, 400)).join('\n')}`,
      );
  }
  say('every contender gives the same answers');
}

function normalised(value: unknown): unknown {
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)) return new Date(value).getTime();
  if (Array.isArray(value)) return value.map(normalised);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, normalised(inner)]));
  return value;
}

async function measure(workload: Workload, contenders: readonly Contender[]): Promise<string> {
  const results: LoadResult[][] = [];
  for (let round = 0; round < rounds; round++) {
    const inOrder = round % 2 === 0 ? contenders : contenders.toReversed();
    const measured = new Map<string, LoadResult>();
    for (const contender of inOrder) {
      const bodies = bodiesOf(workload, contender.live);
      await load(contender.port, bodies, { connections: CONNECTIONS, seconds: 0.5 });
      measured.set(contender.name, await load(contender.port, bodies, { connections: CONNECTIONS, seconds }));
    }
    results.push(contenders.map(({ name }) => measured.get(name) as LoadResult));
  }
  const median = (of: (round: LoadResult[]) => number): number =>
    results.map(of).sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0;
  const ratio = (a: number, b: number): string =>
    median((round) => (round[a]?.requestsPerSecond ?? 0) / (round[b]?.requestsPerSecond ?? 1)).toFixed(2);
  const p99 = median((round) => (round[1]?.p99Ms ?? 0) / (round[0]?.p99Ms ?? 1)).toFixed(2);
  const limit = Math.round(median((round) => round[0]?.requestsPerSecond ?? 0));
  const row = `| ${workload.name} ${workload.about} | ${limit} | ${ratio(1, 0)} | ${p99} | ${ratio(2, 0)} | ${ratio(3, 2)} |`;
  say(row);
  return row;
}

await main();
