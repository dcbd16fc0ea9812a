import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import type { PostgresServer } from '../../src/embedded/server.ts';
import { connectBoth, type Databases, NATIVE, startNative, startNearjoin } from './contenders.ts';
import { FOLLOWED, type Followed, rowsSql, sizesOf, smallTables } from './feed-workloads.ts';
import { REPLICATING, say, withTwoServers } from './two-servers.ts';
import { familySeconds } from './usage.ts';

// The initial copy beside that of Postgres' own logical replication, in turn: two tables, then many small ones.
//   npm run bench:copy -- [scale=1] [rounds=3] [small=50]

const [scaleText = '1', roundsText = '3', smallText = '50'] = process.argv.slice(2);
const rounds = Number(roundsText);

interface Copied {
  readonly seconds: number;
  /** CPU seconds of all processes of both servers, and of Node, from just before to just after. */
  readonly servers: number;
  readonly node: number;
}

async function run(databases: Databases, children: ChildProcess[]): Promise<void> {
  const sizes = sizesOf(Number(scaleText));
  const small = smallTables(Number(smallText));
  say(
    `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, Postgres ${databases.source.version}`,
  );
  await databases.onTarget.query(FOLLOWED.sql + small.sql);
  for (const statement of [...rowsSql(sizes), ...small.rows]) await databases.onTarget.query(statement);
  if (sizes.reviews > 2_000)
    await compare(databases, children, {
      followed: FOLLOWED,
      what: `${sizes.users} and ${sizes.reviews} rows`,
    });
  if (small.tables.length > 0)
    await compare(databases, children, {
      followed: small,
      what: `${small.tables.length} tables of 1000 rows`,
    });
}

async function compare(
  databases: Databases,
  children: ChildProcess[],
  { followed, what }: { readonly followed: Followed; readonly what: string },
): Promise<void> {
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const found = new Map<string, Copied>();
    const each = [
      ['native', () => copyNatively(databases, followed)],
      ['nearjoin', () => copyWithNearjoin(databases, children, followed)],
    ] as const;
    for (const [name, copy] of round % 2 === 0 ? each : each.toReversed()) {
      await databases.onSource.query('checkpoint');
      await databases.onTarget.query('checkpoint');
      const copied = await copy();
      found.set(name, copied);
      const { seconds, servers, node } = copied;
      say(
        `${what}, ${round} ${name}: ${seconds.toFixed(2)} s, CPU of the servers ${servers.toFixed(2)} s, of Node ${node.toFixed(2)} s`,
      );
    }
    ratios.push((found.get('native')?.seconds ?? 0) / (found.get('nearjoin')?.seconds ?? 1));
  }
  say(`${what}: ${ratios.map((one) => one.toFixed(2)).join(', ')} of native's speed`);
}

async function copyNatively(databases: Databases, followed: Followed): Promise<Copied> {
  const { onSource, onTarget } = databases;
  const before = serverSeconds(databases);
  const { seconds } = await startNative(databases, followed);
  const servers = serverSeconds(databases) - before;
  await onSource.query(`drop subscription ${NATIVE}`);
  await onTarget.query(`drop publication ${NATIVE}`);
  await onSource.query(`drop table ${followed.tables.join(', ')}`);
  return { seconds, servers, node: 0 };
}

async function copyWithNearjoin(
  databases: Databases,
  children: ChildProcess[],
  followed: Followed,
): Promise<Copied> {
  const { onSource, onTarget } = databases;
  const before = serverSeconds(databases);
  const { server, seconds, nodeSeconds, nearjoin } = await startNearjoin(databases, children, followed);
  const servers = serverSeconds(databases) - before;
  const ended = once(server.process, 'exit');
  server.process.kill('SIGTERM');
  await ended;
  children.splice(children.indexOf(server.process), 1);
  await onTarget.query('select pg_drop_replication_slot($1)', [nearjoin.slot]);
  await onTarget.query(`drop publication "${nearjoin.slot}"`);
  for (const drop of ['schema nearjoin cascade', 'table anchors', 'database meta'])
    await onSource.query(`drop ${drop}`);
  return { seconds, servers, node: nodeSeconds };
}

function serverSeconds({ source, target }: Databases): number {
  return [source, target].reduce((sum: number, { pid }: PostgresServer) => sum + familySeconds(pid), 0);
}

await withTwoServers(REPLICATING, async (servers, children) => run(await connectBoth(servers), children));
