import { parseArgs } from 'node:util';
import { z } from 'zod';
import { type Clock, systemClock } from '../core/clock.ts';
import { NearjoinError } from '../core/errors.ts';
import { askServer, notNearjoin, SERVER_OPTIONS, SERVER_USAGE, type Server, serverOf } from './server.ts';
import { complain, explainError, tell } from './terminal.ts';
import { isWrong, printProgress, printVerifications, type ShownVerification } from './verify-table.ts';

const USAGE = `Usage: nearjoin verify [target[.schema.table]] [--repair] [--endpoint URL] [--admin-secret S]

Compares caches with their targets while everything runs, and lists rows that differ by their keys.
Ends with 1 when rows differ still, or when something could not be compared.

  --repair          make the rows that differ right
${SERVER_USAGE}`;

const POLL_MS = 500;

const keys = z.array(z.array(z.string()));
const answer = z.object({
  verifications: z.array(
    z.object({
      id: z.string(),
      source: z.string(),
      target: z.string(),
      state: z.string(),
      reason: z.string().nullable(),
      repair: z.boolean(),
      tables: z.array(
        z.object({
          schema: z.string(),
          name: z.string(),
          state: z.string(),
          reason: z.string().nullable(),
          rows_compared: z.number(),
          rows_estimated: z.number().nullable(),
          insert: z.number(),
          update: z.number(),
          delete: z.number(),
          repaired: z.number(),
          unsettled: z.number(),
          keys: z.object({ insert: keys, update: keys, delete: keys }),
        }),
      ),
    }),
  ),
});
const feedList = z.object({
  feeds: z.array(
    z.object({
      target: z.string(),
      tables: z.array(z.object({ schema: z.string(), name: z.string() })),
    }),
  ),
});

interface Asked {
  readonly target: string;
  readonly table: { readonly schema: string; readonly name: string } | null;
}

/** Runs `nearjoin verify`; the answer is the exit code. */
export async function runVerify(argv: readonly string[], clock: Clock = systemClock): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { repair: { type: 'boolean' }, ...SERVER_OPTIONS, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help === true) return tell(USAGE);
    if (positionals.length > 1) throw new NearjoinError('start-failed', 'one target or table at a time');
    const server = serverOf(values, process.env);
    const asked = await findAsked(server, positionals[0]);
    if (asked.length === 0) return tell('No feeds: no relationship crosses databases yet.');
    const begun = await Promise.all(asked.map((each) => begin(server, each, values.repair ?? false)));
    const done = await follow(server, begun.flat(), clock);
    tell(printVerifications(done));
    return done.some(isWrong) ? 1 : 0;
  } catch (error) {
    return complain(`verify: ${explainError(error)}`);
  }
}

/** Names may hold dots: what is meant is found among what there is. */
async function findAsked(server: Server, what: string | undefined): Promise<readonly Asked[]> {
  const parsed = feedList.safeParse(await askServer(server, '/v1/replication'));
  if (!parsed.success) throw notNearjoin(server);
  const { feeds } = parsed.data;
  const targets = [...new Set(feeds.map(({ target }) => target))].map((target) => ({ target, table: null }));
  if (what === undefined) return targets;
  const target = targets.find((each) => each.target === what);
  if (target !== undefined) return [target];
  for (const feed of feeds) {
    const table = feed.tables.find(({ schema, name }) => `${feed.target}.${schema}.${name}` === what);
    if (table !== undefined) return [{ target: feed.target, table }];
  }
  throw new NearjoinError('start-failed', `there is no target and no cached table "${what}"`);
}

async function begin(
  server: Server,
  { target, table }: Asked,
  repair: boolean,
): Promise<readonly ShownVerification[]> {
  const body = { repair, ...(table === null ? {} : { tables: [table] }) };
  return parsed(server, await askServer(server, pathOf(target), body));
}

/** Asks until every comparison has ended; a terminal shows how far they are. */
async function follow(
  server: Server,
  begun: readonly ShownVerification[],
  clock: Clock,
): Promise<readonly ShownVerification[]> {
  const shown = new Map<string, string>();
  for (;;) {
    const now = await Promise.all(begun.map((each) => look(server, each)));
    for (const each of now) {
      const text = printProgress(each);
      const key = `${each.source} ${each.target}`;
      if (!isOver(each) && shown.get(key) !== text) process.stderr.write(`${text}\n`);
      shown.set(key, text);
    }
    if (now.every(isOver)) return now;
    await clock.delay(POLL_MS);
  }
}

async function look(server: Server, { target, source, id }: ShownVerification): Promise<ShownVerification> {
  const path = `${pathOf(target)}?source=${encodeURIComponent(source)}&id=${id}`;
  const [found] = parsed(server, await askServer(server, path));
  if (found === undefined) throw new NearjoinError('unexpected', `comparison ${id} of "${target}" is gone`);
  return found;
}

function isOver({ state }: ShownVerification): boolean {
  return state === 'done' || state === 'failed';
}

function pathOf(target: string): string {
  return `/v1/replication/${encodeURIComponent(target)}/verify`;
}

function parsed(server: Server, found: unknown): readonly ShownVerification[] {
  const result = answer.safeParse(found);
  if (result.success) return result.data.verifications;
  throw notNearjoin(server);
}
