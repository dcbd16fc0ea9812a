import { parseArgs } from 'node:util';
import { messageOf, NearjoinError } from '../core/errors.ts';
import { systemClock } from '../core/waiting/clock.ts';
import { askVerifications, type Feed, readFeeds, type Verification } from './replication.ts';
import { SERVER_OPTIONS, SERVER_USAGE, type Server, serverOf } from './server.ts';
import { complain, tell } from './terminal.ts';
import { whyStuck } from './verify-feeds.ts';
import { isWrong, printProgress, printVerifications } from './verify-table.ts';

const USAGE = `Usage: nearjoin verify [target[.schema.table]] [--repair] [--endpoint URL] [--admin-secret S]

Compares caches with their targets while everything runs, and lists rows that differ by their keys.
Ends with 1 when rows differ still, or when something could not be compared.

  --repair          make the rows that differ right
${SERVER_USAGE}`;

const POLL_MS = 500;

interface Asked {
  readonly feed: Feed;
  readonly table: { readonly schema: string; readonly name: string } | null;
}

/** Runs `nearjoin verify`; the answer is the exit code. */
export async function runVerify(argv: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { repair: { type: 'boolean' }, ...SERVER_OPTIONS, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help === true) return tell(USAGE);
    if (positionals.length > 1) throw new NearjoinError('start-failed', 'one target or table at a time');
    const server = serverOf(values);
    const asked = await findAsked(server, positionals[0]);
    if (asked.length === 0) return tell('No feeds: no relationship crosses databases yet.');
    const begun = await Promise.all(asked.map((each) => begin(server, each, values.repair ?? false)));
    const done = await new Follower(server).follow(begun.flat());
    tell(printVerifications(done));
    return done.some(isWrong) ? 1 : 0;
  } catch (error) {
    return complain(`verify: ${messageOf(error)}`);
  }
}

/** Names may contain dots, so the argument is not split but looked up among the existing names. */
async function findAsked(server: Server, what: string | undefined): Promise<readonly Asked[]> {
  const feeds = await readFeeds(server);
  if (what === undefined) return feeds.map((feed) => ({ feed, table: null }));
  const whole = feeds.filter((feed) => feed.target === what);
  if (whole.length > 0) return whole.map((feed) => ({ feed, table: null }));
  const single = feeds.flatMap((feed) => {
    const table = feed.tables.find(({ schema, name }) => `${feed.target}.${schema}.${name}` === what);
    return table === undefined ? [] : [{ feed, table }];
  });
  if (single.length > 0) return single;
  throw new NearjoinError('start-failed', `there is no target and no cached table "${what}"`);
}

/** A paused feed is not asked: the comparison would begin whenever somebody resumes it. */
async function begin(
  server: Server,
  { feed, table }: Asked,
  repair: boolean,
): Promise<readonly Verification[]> {
  const { source, target } = feed;
  const reason = whyStuck(feed, 0);
  if (reason !== null) return [{ id: '', source, target, state: 'failed', reason, repair, tables: [] }];
  const named = table === null ? {} : { tables: [{ schema: table.schema, name: table.name }] };
  const body = { repair, ...named };
  return await askVerifications(server, feed, { body });
}

/** Polls until every comparison has ended or is stuck, and shows the progress. */
class Follower {
  readonly #server: Server;
  /** The last progress shown of each, and since when it has not changed. */
  readonly #shown = new Map<string, { readonly text: string; readonly sinceMs: number }>();

  constructor(server: Server) {
    this.#server = server;
  }

  async follow(begun: readonly Verification[]): Promise<readonly Verification[]> {
    let now = begun;
    while (!now.every(isOver)) {
      const looked = await Promise.all(
        now.map(async (each) => (isOver(each) ? each : await look(this.#server, each))),
      );
      const feeds = looked.every(isOver) ? [] : await readFeeds(this.#server);
      now = looked.map((each) => (isOver(each) ? each : this.#judged(each, feeds)));
      if (!now.every(isOver)) await systemClock.delay(POLL_MS);
    }
    return now;
  }

  #judged(each: Verification, feeds: readonly Feed[]): Verification {
    const feed = feeds.find(({ source, target }) => source === each.source && target === each.target);
    const reason = whyStuck(feed, this.#unmovedMs(each, feed?.state ?? 'gone'));
    return reason === null ? each : { ...each, state: 'failed', reason };
  }

  /** Shows new progress of a comparison; for how long there has been none. */
  #unmovedMs(each: Verification, feedState: string): number {
    const now = systemClock.monotonicMs();
    const key = JSON.stringify([each.source, each.target]);
    const text = printProgress(each, feedState);
    const known = this.#shown.get(key);
    if (known?.text === text) return now - known.sinceMs;
    process.stderr.write(`${text}\n`);
    this.#shown.set(key, { text, sinceMs: now });
    return 0;
  }
}

async function look(server: Server, each: Verification): Promise<Verification> {
  const { id, target } = each;
  const [found] = await askVerifications(server, each, { id });
  if (found === undefined) throw new NearjoinError('unexpected', `comparison ${id} of "${target}" is gone`);
  return found;
}

function isOver({ state }: Verification): boolean {
  return state === 'done' || state === 'failed';
}
