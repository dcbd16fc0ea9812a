import type { ChildProcess } from 'node:child_process';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { PostgresServer } from '../../src/embedded/server.ts';
import { type LoadResult, load } from './load.ts';
import { post } from './nearjoin-server.ts';
import {
  type Contender,
  execute,
  makePeerDatabases,
  otherBuild,
  ownContenders,
  peerContenders,
  type Stage,
} from './read-contenders.ts';
import { say, withTwoServers } from './two-servers.ts';
import { cpuSeconds, familySeconds } from './usage.ts';
import { dataSql, WORKLOADS, type Workload } from './workloads.ts';

// Reads by every contender, side by side in one run: rounds interleaved, medians of the ratio inside a round.
//   npm run bench -- [--scale 1] [--seconds 3] [--rounds 3] [--only W1,W5] [--peers] [--beside checkout-of-another-build]

const { values: flags } = parseArgs({
  options: {
    scale: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: WORKLOADS.map(({ name }) => name).join() },
    peers: { type: 'boolean', default: false },
    beside: { type: 'string', multiple: true, default: [] },
  },
});
const [scale, seconds, rounds] = [Number(flags.scale), Number(flags.seconds), Number(flags.rounds)];
const CHOSEN = WORKLOADS.filter(({ name }) => flags.only.split(',').includes(name));
const CONNECTIONS = 16;
const SETTINGS = { shared_buffers: '1GB', max_wal_size: '4GB', max_connections: '200' };

async function run(
  [source, target]: readonly [PostgresServer, PostgresServer],
  children: ChildProcess[],
): Promise<void> {
  const data = dataSql(scale);
  const stage: Stage = { source, target, scale, children, say };
  say(`loading data at scale ${scale} …`);
  await Promise.all([
    execute(source.url('postgres'), data.source),
    execute(target.url('postgres'), data.target),
  ]);
  if (flags.peers) await makePeerDatabases(stage);
  const contenders = [...(await ownContenders(stage)), ...(flags.peers ? await peerContenders(stage) : [])];
  for (const checkout of flags.beside) contenders.push(await otherBuild(stage, checkout));
  await checkAnswers(contenders);
  const results = new Map<Workload, readonly Round[]>();
  for (const workload of CHOSEN) {
    results.set(workload, await measure(workload, contenders, [source.pid, target.pid]));
    for (const line of latencyRows(workload, contenders, results.get(workload) ?? [])) say(line);
  }
  report(source.version, contenders, results);
}

/** Beside what the load saw, microseconds of CPU a request: of the contender's process, and of both Postgres servers. */
interface Measured extends LoadResult {
  readonly serverCpu: number;
  readonly postgresCpu: number;
}

/** What each contender showed in one round, by name. */
type Round = ReadonlyMap<string, Measured>;

/**
 * The first turn does not count: in it programs are compiled, and each session of a contender meets pages of shared memory
 * for the first time, with a page fault for each, so that more sessions would be the slower the shorter a run is.
 */
async function measure(
  workload: Workload,
  contenders: readonly Contender[],
  servers: readonly number[],
): Promise<readonly Round[]> {
  const results: Round[] = [];
  for (let round = -1; round < rounds; round++) {
    const measured = new Map<string, Measured>();
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      const bodies = bodiesOf(workload, contender);
      await load(contender.port, bodies, { connections: CONNECTIONS, seconds: 0.5 });
      const cpu = (): readonly [number, number] => [
        cpuSeconds(contender.pid),
        servers.reduce((sum, pid) => sum + familySeconds(pid), 0),
      ];
      const [server, postgres] = cpu();
      const result = await load(contender.port, bodies, { connections: CONNECTIONS, seconds });
      const [serverAfter, postgresAfter] = cpu();
      const micros = (used: number): number => (used * 1e6) / (result.requestsPerSecond * seconds);
      measured.set(contender.name, {
        ...result,
        serverCpu: micros(serverAfter - server),
        postgresCpu: micros(postgresAfter - postgres),
      });
    }
    if (round >= 0) results.push(measured);
  }
  return results;
}

function bodiesOf(workload: Workload, contender: Contender): string[] {
  const query = contender.query(workload);
  return Array.from({ length: 4096 }, (_, n) => JSON.stringify({ query, variables: workload.variables(n) }));
}

async function checkAnswers(contenders: readonly Contender[]): Promise<void> {
  for (const workload of CHOSEN) {
    const answers = await Promise.all(
      contenders.map(async (contender) => {
        const body = JSON.parse(bodiesOf(workload, contender)[3] ?? '');
        return JSON.stringify(normalised(await post(`http://127.0.0.1:${contender.port}/v1/graphql`, body)));
      }),
    );
    const different = answers.findIndex((answer) => answer !== answers[0]);
    if (different >= 0)
      throw new Error(
        `${workload.name}: ${contenders[different]?.name} answers differently:\n${answers[0]?.slice(0, 400)}\n${answers[different]?.slice(0, 400)}`,
      );
  }
  say('every contender gives the same answers');
}

/** Times in any spelling, and numbers as strings, count as the same. */
function normalised(value: unknown): unknown {
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)) return new Date(value).getTime();
  if (typeof value === 'string' && /^\d+\.\d+$/.test(value)) return Number(value);
  if (Array.isArray(value)) return value.map(normalised);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, normalised(inner)]));
  return value;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function over(results: readonly Round[], name: string, of: (result: Measured) => number): number {
  return median(results.map((round) => of(round.get(name) as Measured)));
}

function ratio(results: readonly Round[], name: string, base: string): string {
  const rate = (round: Round, of: string): number => round.get(of)?.requestsPerSecond ?? 0;
  const value = median(results.map((round) => rate(round, name) / rate(round, base)));
  return value < 0.01 ? value.toFixed(4) : value.toFixed(2);
}

function latencyRows(
  workload: Workload,
  contenders: readonly Contender[],
  results: readonly Round[],
): readonly string[] {
  return contenders.map(({ name }) => {
    const shown = (key: keyof Measured, digits: (value: number) => number): string => {
      const value = over(results, name, (result) => result[key]);
      return value.toFixed(digits(value));
    };
    const cells = [
      shown('requestsPerSecond', (rate) => (rate < 100 ? 1 : 0)),
      shown('p50Ms', (ms) => (ms < 10 ? 2 : 0)),
      shown('p99Ms', (ms) => (ms < 10 ? 2 : 0)),
      shown('serverCpu', () => 0),
      shown('postgresCpu', () => 0),
    ];
    return `| ${workload.name} | ${name} | ${cells.join(' | ')} |`;
  });
}

function report(
  version: number,
  contenders: readonly Contender[],
  results: ReadonlyMap<Workload, readonly Round[]>,
): void {
  say(
    `\n${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, Postgres ${version}, ${CONNECTIONS} connections, ${rounds} rounds of ${seconds} s\n`,
  );
  const [, ...others] = contenders;
  const columns = [
    'limit req/s',
    ...others.map(({ name }) => `${name} ÷ limit`),
    'cached p99 ÷ limit p99',
    'live ÷ lean join',
  ];
  say(`| | ${columns.join(' | ')} |\n|${' --- |'.repeat(columns.length + 1)}`);
  for (const [workload, rows] of results) {
    const p99 = (name: string): number => over(rows, name, (result) => result.p99Ms);
    const cells = [
      Math.round(over(rows, 'limit', (result) => result.requestsPerSecond)),
      ...others.map(({ name }) => ratio(rows, name, 'limit')),
      (p99('cached') / p99('limit')).toFixed(2),
      ratio(rows, 'live', 'lean join'),
    ];
    say(`| ${workload.name} ${workload.about} | ${cells.join(' | ')} |`);
  }
  say(
    '\n| | | req/s | p50 ms | p99 ms | µs of CPU a request: server | Postgres |\n| --- | --- | --- | --- | --- | --- | --- |',
  );
  for (const [workload, rows] of results)
    for (const line of latencyRows(workload, contenders, rows)) say(line);
}

await withTwoServers(SETTINGS, run);
