import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openMetadataStore } from '../../src/metadata/store.ts';
import { FeedRig } from '../support/feed.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// Whoever is at the other end of a connection that says nothing is asked by the kernel whether he is still there.

let rig: FeedRig;
let meta: TestDatabase;

beforeAll(async () => {
  rig = await FeedRig.open(['create table item (id int primary key)'], { item: [] });
  meta = await createDatabase('source');
});

afterAll(async () => {
  await rig?.close();
  await meta?.drop();
});

/** In `/proc/net/tcp`: the timer that runs is that of keep-alive. */
const KEEP_ALIVE = '02';
/** In hundredths of a second. */
const WITHIN = 500;

/** Local ports of connections whose keep-alive timer will be over in time. */
function askedSoon(): ReadonlySet<number> {
  const lines = ['tcp', 'tcp6'].flatMap((name) => readFileSync(`/proc/net/${name}`, 'latin1').split('\n'));
  const found = lines.flatMap((line) => {
    const [, local = '', , , , timer = ''] = line.trim().split(/\s+/);
    const [kind, left = ''] = timer.split(':');
    const isSoon = kind === KEEP_ALIVE && Number.parseInt(left, 16) <= WITHIN;
    return isSoon ? [Number.parseInt(local.split(':')[1] ?? '', 16)] : [];
  });
  return new Set(found);
}

/** By their names, how many sessions there are of ours in a database, and whether all of them are asked. */
async function sessions(database: TestDatabase): Promise<ReadonlyMap<string, boolean>> {
  const { rows } = await database.query<{ name: string; port: number }>(
    `select regexp_replace(application_name, '[0-9a-f]{12}$', '…') as name, client_port as port
     from pg_stat_activity where datname = current_database() and application_name like 'nearjoin%'`,
  );
  const asked = askedSoon();
  const names = new Set(rows.map(({ name }) => name));
  return new Map(
    [...names].map((each) => [each, rows.every(({ name, port }) => name !== each || asked.has(port))]),
  );
}

/** A connection that has just been used is not asked for a moment. */
async function areAsked(database: TestDatabase, names: readonly string[]): Promise<void> {
  let last: ReadonlyMap<string, boolean> = new Map();
  await poll('all to be asked', async () => {
    last = await sessions(database);
    return names.every((name) => last.get(name) === true);
  }).catch(() => expect(last).toEqual(new Map(names.map((name) => [name, true]))));
}

test.skipIf(process.platform !== 'linux')('every session of a feed is kept alive', async () => {
  rig.start();
  await rig.ready();
  await areAsked(rig.source, ['nearjoin feed …']);
  await areAsked(rig.target, ['nearjoin', 'nearjoin for …']);
});

test.skipIf(process.platform !== 'linux')('so is the one that is told of new metadata', async () => {
  const store = await openMetadataStore({ url: meta.url, log: { warn: () => undefined } });
  const stop = new AbortController();
  const versions = store.listen(stop.signal)[Symbol.asyncIterator]();
  await versions.next();
  await areAsked(meta, ['nearjoin metadata listen']);
  stop.abort();
  await versions.return?.();
  await store.close();
});
