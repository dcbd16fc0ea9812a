import type { ChildProcess } from 'node:child_process';
import { cpus } from 'node:os';
import {
  type Contender,
  connectBoth,
  type Databases,
  startNative,
  startNearjoin,
  untilStreaming,
} from './contenders.ts';
import { type Backlog, backlogs, COLUMNS, rowsSql, sizesOf, TABLES } from './feed-workloads.ts';
import { type Lag, measureLag } from './lag.ts';
import { type Nearjoin, until } from './nearjoin-server.ts';
import { REPLICATING, say, withTwoServers } from './two-servers.ts';
import { cpuOf, cpuSeconds, mainThreadSeconds, memory } from './usage.ts';

// Following a target beside Postgres' own logical replication: the same tables, the same backlogs, in turn.
//   npm run bench:feed -- [scale=1] [rounds=3] [workloads=abcd] [rates=0,100,1000,3000] [seconds=5]

const [
  scaleText = '1',
  roundsText = '3',
  workloads = 'abcd',
  ratesText = '0,100,1000,3000',
  secondsText = '5',
] = process.argv.slice(2);
const scale = Number(scaleText);
const rounds = Number(roundsText);
const seconds = Number(secondsText);
const rates = ratesText === '-' ? [] : ratesText.split(',').map(Number);

/** Looking takes of the two cores what is measured: a twentieth of them when it was done every 5 ms. */
const LOOK_MS = 20;

interface Caught {
  readonly seconds: number;
  /** CPU microseconds a row, of the writing server process, the walsender and the reader in Node. */
  readonly cpu: {
    readonly apply: number;
    readonly walsender: number;
    readonly node: number;
    readonly mainThread: number;
  };
  readonly memoryMb: number;
}

async function run(databases: Databases, children: ChildProcess[]): Promise<void> {
  const sizes = sizesOf(scale);
  say(`loading ${sizes.users} users and ${sizes.reviews} reviews …`);
  await databases.onTarget.query(TABLES);
  for (const statement of rowsSql(sizes)) await databases.onTarget.query(statement);
  const copied = await startNative(databases);
  const started = await startNearjoin(databases, children);
  const copying = `initial copy: native ${copied.seconds.toFixed(1)} s, nearjoin ${started.seconds.toFixed(1)} s, ratio ${(copied.seconds / started.seconds).toFixed(2)}`;
  say(copying);
  const both = [copied.native, started.nearjoin];
  const idleMb = memory(started.server.process.pid ?? 0).now;
  const lines: string[] = [];
  for (const backlog of backlogs(sizes, scale).filter(({ name }) => workloads.includes(name))) {
    lines.push(await compare(databases, { both, server: started.server, backlog }));
    if (backlog.name === 'a') await compareFollowing(databases, both, backlog);
  }
  const lags: string[] = [];
  for (const rate of rates) lags.push(await compareLag(databases, both, rate));
  await checkContents(databases, both);
  const [cpu] = cpus();
  say(
    `\n${cpus().length} × ${cpu?.model}, Node ${process.version}, Postgres ${databases.source.version}, ${rounds} rounds`,
  );
  say(copying);
  say(`idle memory ${idleMb.toFixed(0)} MB`);
  say(
    '| | native rows/s | ÷ native | µs CPU a row: native, its walsender | ours, our walsender, Node | main thread | peak above idle MB |',
  );
  say('| --- | --- | --- | --- | --- | --- | --- |');
  for (const line of lines) say(line);
  say(
    '| commits/s | native p50 / p99 ms | nearjoin p50 / p99 ms | p50, p99 ÷ native |\n| --- | --- | --- | --- |',
  );
  for (const line of lags) say(line);
}

async function compare(
  databases: Databases,
  {
    both,
    server,
    backlog,
  }: { readonly both: readonly Contender[]; readonly server: Nearjoin; readonly backlog: Backlog },
): Promise<string> {
  const results: Caught[][] = [];
  for (let round = 0; round < rounds; round++) {
    await advanceSlots(databases, both);
    for (const contender of both) await contender.pause();
    await databases.onTarget.query('set synchronous_commit = off');
    await databases.onTarget.query(backlog.sql(round));
    await databases.onTarget.query('set synchronous_commit = on');
    const marker = await mark(databases);
    const caught = new Map<string, Caught>();
    for (const contender of round % 2 === 0 ? both : both.toReversed()) {
      const one = await catchUp(databases, { contender, server, backlog, marker });
      caught.set(contender.name, one);
      const { apply, walsender, node } = one.cpu;
      say(
        `${backlog.name} ${round} ${contender.name}: ${one.seconds.toFixed(2)} s, µs a row: ${[apply, walsender, node].map((n) => n.toFixed(1)).join(' + ')}, peak +${one.memoryMb.toFixed(0)} MB`,
      );
    }
    results.push(both.map(({ name }) => caught.get(name) as Caught));
  }
  return summary(backlog, results);
}

function summary(backlog: Backlog, results: readonly Caught[][]): string {
  const median = (of: (round: Caught[]) => number): number =>
    results.map(of).sort((a, b) => a - b)[Math.floor((rounds - 1) / 2)] ?? Number.NaN;
  const side = (at: 0 | 1, of: (one: Caught) => number): number => median((round) => of(round[at] as Caught));
  const ratios = results.map(([native, ours]) => (native?.seconds ?? 0) / (ours?.seconds ?? 1));
  const middle = [...ratios].sort((a, b) => a - b)[Math.floor((rounds - 1) / 2)] ?? Number.NaN;
  const micros = (at: 0 | 1, ...which: (keyof Caught['cpu'])[]): string =>
    which.map((name) => side(at, (one) => one.cpu[name]).toFixed(1)).join(', ');
  return `| ${backlog.name}: ${backlog.about} | ${Math.round(backlog.rows / side(0, (one) => one.seconds))} | ${middle.toFixed(2)} (${ratios.map((one) => one.toFixed(2)).join(' ')}) | ${micros(0, 'apply', 'walsender')} | ${micros(1, 'apply', 'walsender', 'node')} | ${micros(1, 'mainThread')} | ${Math.max(...results.map((round) => round[1]?.memoryMb ?? 0)).toFixed(0)} |`;
}

/** Old log must not be decoded again inside the measured time. */
async function advanceSlots({ onTarget }: Databases, both: readonly Contender[]): Promise<void> {
  const { rows } = await onTarget.query('select pg_current_wal_insert_lsn()::text as lsn');
  await until(
    'both slots to move on',
    async () => {
      await onTarget.query('select pg_log_standby_snapshot()');
      await onTarget.query('update ticks set n = n + 1 where w = 64');
      const found = await onTarget.query(
        'select from pg_replication_slots where slot_name = any ($1) and restart_lsn > $2 and confirmed_flush_lsn > $2',
        [both.map(({ slot }) => slot), rows[0]?.lsn],
      );
      return found.rows.length === both.length;
    },
    60_000,
    100,
  );
}

/** Commits a last transaction by which the end of the backlog is seen. */
async function mark({ onTarget }: Databases): Promise<number> {
  const { rows } = await onTarget.query('update ticks set n = n + 1 where w = 0 returning n');
  return Number(rows[0]?.n);
}

async function catchUp(
  databases: Databases,
  {
    contender,
    server,
    backlog,
    marker,
  }: {
    readonly contender: Contender;
    readonly server: Nearjoin;
    readonly backlog: Backlog;
    readonly marker: number;
  },
): Promise<Caught> {
  const { onSource, onTarget } = databases;
  const node = server.process.pid ?? 0;
  await onSource.query('checkpoint');
  await onTarget.query('checkpoint');
  await contender.resume();
  const before = cpuOf([...(await contender.pids()), node]);
  const mainBefore = mainThreadSeconds(node);
  await untilStreaming(databases, contender);
  const started = performance.now();
  const { rows } = await onTarget.query('select active_pid from pg_replication_slots where slot_name = $1', [
    contender.slot,
  ]);
  let peakMb = 0;
  let polls = 0;
  /** The newest reading of each process, for what ends before the end. */
  const used = new Map<number, number>();
  const idleMb = memory(node).now;
  await until(
    'the backlog to be applied',
    async () => {
      peakMb = Math.max(peakMb, memory(node).now - idleMb);
      polls += 1;
      if (polls % 5 === 0)
        for (const pid of await contender.pids()) used.set(pid, cpuSeconds(pid) || (used.get(pid) ?? 0));
      const found = await onSource.query(`select n from ${contender.relation('ticks')} where w = 0`);
      return Number(found.rows[0]?.n) >= marker;
    },
    300_000,
    LOOK_MS,
  );
  const seconds = (performance.now() - started) / 1000;
  for (const pid of await contender.pids()) used.set(pid, cpuSeconds(pid));
  const micros = (pid: number): number =>
    (((used.get(pid) ?? cpuSeconds(pid)) - (before.get(pid) ?? 0)) * 1e6) / backlog.rows;
  const cpu = {
    apply: [...used.keys()].filter((pid) => pid !== node).reduce((sum, pid) => sum + micros(pid), 0),
    walsender: (cpuSeconds(Number(rows[0]?.active_pid)) * 1e6) / backlog.rows,
    node: contender.name === 'native' ? 0 : micros(node),
    mainThread: ((mainThreadSeconds(node) - mainBefore) * 1e6) / backlog.rows,
  };
  return { seconds, cpu, memoryMb: peakMb };
}

/** From the answer to the commit of one large transaction to the sight of it, when it is followed from its beginning. */
async function compareFollowing(
  databases: Databases,
  both: readonly Contender[],
  backlog: Backlog,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const took: string[] = [];
    for (const contender of both) {
      for (const other of both) if (other !== contender) await other.pause();
      await settled(databases, contender);
      await databases.onTarget.query(backlog.sql(round));
      const committed = performance.now();
      await settled(databases, contender);
      took.push(`${contender.name} ${((performance.now() - committed) / 1000).toFixed(2)} s`);
      for (const other of both) if (other !== contender) await other.resume();
    }
    say(`${backlog.name} ${round}, followed as it goes on, seen after its commit: ${took.join(', ')}`);
  }
}

async function compareLag(databases: Databases, both: readonly Contender[], rate: number): Promise<string> {
  const measured = new Map<string, Lag>();
  for (const contender of both) {
    const other = both.find((one) => one !== contender);
    await other?.pause();
    await settled(databases, contender);
    await measureLag(databases, contender, { rate, seconds: 1 });
    measured.set(contender.name, await measureLag(databases, contender, { rate, seconds }));
    await other?.resume();
    if (other !== undefined) await settled(databases, other);
  }
  const [native, ours] = both.map(({ name }) => measured.get(name) as Lag) as [Lag, Lag];
  const line = `| ${rate === 0 ? 'idle' : rate} | ${native.p50.toFixed(2)} / ${native.p99.toFixed(1)} | ${ours.p50.toFixed(2)} / ${ours.p99.toFixed(1)} | ${(ours.p50 / native.p50).toFixed(2)}, ${(ours.p99 / native.p99).toFixed(2)} |`;
  say(line);
  return line;
}

async function settled(databases: Databases, contender: Contender): Promise<void> {
  const marker = await mark(databases);
  await until(
    `${contender.name} to catch up`,
    async () => {
      const { rows } = await databases.onSource.query(
        `select n from ${contender.relation('ticks')} where w = 0`,
      );
      return Number(rows[0]?.n) >= marker;
    },
    300_000,
    5,
  );
}

async function checkContents(databases: Databases, both: readonly Contender[]): Promise<void> {
  for (const contender of both) await settled(databases, contender);
  for (const [table, columns] of Object.entries(COLUMNS)) {
    const digest = (from: string): string =>
      `select count(*)::text || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) as digest from (select ${columns} from ${from}) t`;
    const onTarget = await databases.onTarget.query(digest(table));
    for (const contender of both) {
      const found = await databases.onSource.query(digest(contender.relation(table)));
      if (found.rows[0]?.digest !== onTarget.rows[0]?.digest)
        throw new Error(`${contender.name}: ${table} differs from the target`);
    }
  }
  say('target = native copy = cache');
}

await withTwoServers(REPLICATING, async (servers, children) => run(await connectBoth(servers), children));
