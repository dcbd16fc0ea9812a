import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { requestPause, requestResume, requestResync } from '../../src/cache/feed/requests.ts';
import { readCacheStatus } from '../../src/cache/status/status.ts';
import { Session } from '../../src/replicate/session.ts';
import type { StepHook } from '../../src/replicate/steps.ts';
import { FeedRig } from '../support/feed.ts';
import { createDatabase, dropSlots, testServer } from '../support/postgres.ts';

// Everything runs as the least roles that docs/databases.md names: one on the source, one on the target.

let rig: FeedRig | undefined;
const roles: string[] = [];

afterEach(async () => {
  const [source, target] = [rig?.source, rig?.target];
  await rig?.stop();
  for (const role of roles.splice(0)) {
    for (const database of [source, target]) {
      await database?.query(`drop owned by ${role}`).catch(() => undefined); // it is a role of the other server
      await database?.query(`drop role if exists ${role}`);
    }
  }
  await rig?.close();
});

const PASSWORD = 'not-a-secret';
const SET_UP = [
  'create table item (id int primary key, n int)',
  'insert into item select g, g from generate_series(1, 50) g',
  'create table other (id int primary key)',
];

function as(role: string, url: string): string {
  const changed = new URL(url);
  [changed.username, changed.password] = [role, PASSWORD];
  return changed.href;
}

async function open(
  statements: (names: {
    readonly owner: string;
    readonly feed: string;
    readonly database: string;
  }) => readonly string[],
): Promise<{ rig: FeedRig; sourceUrl: string; targetUrl: string }> {
  const [owner, feed, cache] = ['owner', 'feed', 'cache'].map((kind) => {
    return `${kind}_${randomBytes(4).toString('hex')}`;
  }) as [string, string, string];
  roles.push(feed, cache, owner);
  const target = await createDatabase('target');
  await target.query(`create role ${owner}`);
  await target.query(`grant create on schema public to ${owner}`);
  for (const statement of SET_UP) await target.query(`set role ${owner}; ${statement}; reset role`);
  await target.query(`create role ${feed} login replication password '${PASSWORD}'`);
  for (const statement of statements({ owner, feed, database: target.name })) await target.query(statement);
  rig = await FeedRig.open([], { item: [['n']], other: [] }, target);
  await rig.source.query(`create role ${cache} login password '${PASSWORD}'`);
  await rig.source.query(`grant create on database ${rig.source.name} to ${cache}`);
  return { rig, sourceUrl: as(cache, rig.source.url), targetUrl: as(feed, target.url) };
}

async function slotOf(feed: FeedRig): Promise<string> {
  const { rows } = await feed.source.query<{ slot: string }>(
    `select 'nearjoin_' || left(replace(id::text, '-', ''), 8) || '_pg2' as slot from nearjoin.installation`,
  );
  return rows[0]?.slot ?? '';
}

/** Copies, follows, survives a lost slot, and lets go, with no right more. */
async function works(feed: FeedRig, urls: { sourceUrl: string; targetUrl: string }): Promise<void> {
  const first = feed.start(urls);
  await feed.ready();
  await feed.target.query('delete from item where id = 1');
  await feed.caughtUp();
  expect((await feed.contents('item')).cache).toHaveLength(49);
  const before = (await feed.tableStatus('item'))?.relation;
  await first.stop();
  await dropSlots(feed.target);
  feed.start(urls);
  await feed.until('another copy', async () => {
    const now = await feed.tableStatus('item');
    return now?.relation !== before && now?.state.kind === 'ready';
  });
  await feed.target.query('update item set n = -n');
  await feed.caughtUp();
  const { target, cache } = await feed.contents('item');
  expect(cache).toEqual(target);
  await feed.track({});
  await feed.until('the feed to go', async () => (await feed.status()) === undefined);
}

test('a role that is a member of the tables’ owner, and owns the publication', async () => {
  const { rig: feed, ...urls } = await open((names) => [
    `grant create on database ${names.database} to ${names.feed}`,
    `grant ${names.owner} to ${names.feed}`,
  ]);
  await works(feed, urls);
  const { rows } = await feed.target.query('select from pg_publication');
  expect(rows).toHaveLength(0);
});

test('a source that takes no writes is told as such, and its feeds with what they last were', async () => {
  const { rig: feed, sourceUrl } = await open(() => []);
  feed.start({ sourceUrl });
  await feed.ready();
  const readOnly = `${sourceUrl}?options=${encodeURIComponent('-c default_transaction_read_only=on')}`;
  const client = new pg.Client({ connectionString: readOnly });
  await client.connect();
  try {
    const { barred, feeds } = await readCacheStatus(client);
    expect(barred).toMatch(/^the source database takes no writes: .* default_transaction_read_only is on/);
    expect([...feeds.keys()]).toEqual(['pg2']);
  } finally {
    await client.end();
  }
});

test('a role that may not make the schema on the source is told of before any feed is there, and of its cure', async () => {
  const { rig: feed, sourceUrl } = await open(() => []);
  const { username: role } = new URL(sourceUrl);
  const client = new pg.Client({ connectionString: sourceUrl });
  await client.connect();
  try {
    const barred = async (): Promise<string | null> => (await readCacheStatus(client)).barred;
    expect(await barred()).toBeNull();
    await feed.source.query(`revoke create on database ${feed.source.name} from ${role}`);
    const cure = / may not create schema "nearjoin" in database .*; run: (grant create on database .*)$/;
    const statement = cure.exec((await barred()) ?? '')?.[1] ?? 'none';
    await feed.source.query(statement);
    expect(await barred()).toBeNull();
  } finally {
    await client.end();
  }
});

test('a role that may not ask who the server is', async () => {
  const { rig: feed, ...urls } = await open((names) => [
    `grant create on database ${names.database} to ${names.feed}`,
    `grant ${names.owner} to ${names.feed}`,
    'revoke execute on function pg_control_system() from public',
  ]);
  await works(feed, urls);
});

test('tables that the role may not take out of the publication are told of once, with what takes them out', async () => {
  const { rig: feed, ...urls } = await open((names) => [
    `grant create on database ${names.database} to ${names.feed}`,
    `grant ${names.owner} to ${names.feed}`,
  ]);
  let looks = 0;
  feed.start({
    ...urls,
    onConnect: (connector) => {
      const publish = connector.publish.bind(connector);
      connector.publish = (tables) => {
        looks += 1;
        return publish(tables);
      };
    },
  });
  await feed.ready();
  const kept = (): readonly string[] => feed.log.filter((line) => line.includes('a table stays published'));
  await feed.target.query('revoke usage on schema public from public');
  await feed.until('both to be told of', async () => kept().length >= 2);
  const until = looks + 3;
  await feed.until('more looks', async () => looks >= until);
  expect(kept()).toHaveLength(2);
  const fix = `alter publication "${await slotOf(feed)}" drop table "public"."other";`;
  expect((await feed.status())?.lastError).toContain(`run: ${fix}`);
  await feed.target.query('grant usage on schema public to public');
  await feed.ready();
  expect((await feed.contents('item')).cache).toHaveLength(50);
});

test('a role that may only read, and a publication that an administrator owns', async () => {
  const { rig: feed, ...urls } = await open(({ feed: name }) => [`grant select on item, other to ${name}`]);
  const waiting = feed.start(urls);
  const reason = async (): Promise<string> => (await feed.status())?.reason ?? '';
  await feed.until('the reason', async () =>
    (await reason()).includes('may not make the publication; run: '),
  );
  const [, make] = / as another role: (.*);$/.exec(await reason()) ?? [];
  await waiting.stop();
  const name = await slotOf(feed);
  await feed.target.query(`${make}; alter publication ${name} add table item`);
  const partly = feed.start(urls);
  const other = async (): Promise<string> => {
    const state = (await feed.tableStatus('other'))?.state;
    return state?.kind === 'failed' ? state.reason : '';
  };
  const said = `alter publication "${name}" add table "public"."other"`;
  await feed.until('the reason of the other', async () => (await other()).includes(said));
  await feed.until('the table', async () => (await feed.tableStatus('item'))?.state.kind === 'ready');
  await partly.stop();
  await feed.target.query(`alter publication ${name} add table other`);
  await works(feed, urls);
  const writing = new pg.Client({ connectionString: urls.targetUrl });
  await writing.connect();
  await expect(writing.query('delete from item')).rejects.toThrow('permission denied');
  await writing.end();
  await feed.target.query(`drop publication ${name}`);
});

test('a slot is held to its ceiling, also where a table of somebody else’s publication has lost its key', async () => {
  const { rig: feed, ...urls } = await open(({ feed: name }) => [`grant select on item, other to ${name}`]);
  const waiting = feed.start(urls);
  await feed.until('the reason', async () => (await feed.status())?.state === 'failed');
  await waiting.stop();
  const name = await slotOf(feed);
  await feed.target.query(
    `create publication ${name} for table item, other with (publish_via_partition_root${testServer('target').version >= 18 ? ', publish_generated_columns = stored' : ''})`,
  );
  const first = feed.start(urls);
  await feed.ready();
  expect(await requestPause(feed.source, 'pg2')).toBe(true);
  await feed.until('the pause', async () => (await feed.status())?.state === 'paused');
  await first.stop();
  // Others who use the server could fill so small a measure before all is copied.
  feed.start({ ...urls, limits: { maxRetainedWalBytes: 4 << 20 } });
  await feed.target.query('alter table item drop constraint item_pkey');
  for (let n = 0; n < 8; n += 1)
    await feed.target.query(`select pg_logical_emit_message(false, 'test', repeat('x', 1000000))`);
  await feed.until('the slot to be dropped', async () => {
    const { rows } = await feed.target.query('select from pg_replication_slots where slot_name = $1', [name]);
    return rows.length === 0;
  });
  await feed.target.query(`drop publication ${name}`);
});

test('what failed is tried when it may have been put right, or an administrator says so, long before its time', async () => {
  const { rig: feed, ...urls } = await open((names) => [
    `grant create on database ${names.database} to ${names.feed}`,
    `grant ${names.owner} to ${names.feed}`,
    `alter role ${names.feed} noreplication`,
  ]);
  const [role, , owner] = roles;
  const failed = async (): Promise<string> => {
    const state = (await feed.tableStatus('item'))?.state;
    return state?.kind === 'failed' ? state.reason : '';
  };
  feed.start({ ...urls, limits: { unfitRetryMs: 600_000, schemaPollMs: 600_000 } });
  await feed.until('the feed to fail', async () => (await feed.status())?.state === 'failed');
  expect((await feed.status())?.reason).toContain('the attribute REPLICATION');
  await feed.target.query(`alter role ${role} replication`);
  await feed.ready();
  await feed.target.query(`revoke ${owner} from ${role}`);
  await feed.until('the table to fail', async () => (await failed()).includes('may not read it'));
  await feed.target.query(`grant ${owner} to ${role}`);
  await feed.ready();
  await feed.target.query(`alter role ${role} noreplication`);
  expect(await requestResync(feed.source, 'pg2', [{ schema: 'public', name: 'item' }])).toBe(true);
  await feed.until('the copy to fail', async () => (await failed()).includes('copying failed'));
  await feed.target.query(`alter role ${role} replication`);
  await feed.ready();
  await feed.source.query(`create function no_room() returns event_trigger language plpgsql as
    $$ begin raise exception 'no room' using errcode = 'disk_full'; end $$`);
  await feed.source.query(`create event trigger no_room on ddl_command_start when tag in ('CREATE TABLE')
    execute function no_room()`);
  for (const sayIt of [() => requestResume(feed.source, 'pg2'), () => Promise.resolve(feed.reload())]) {
    await feed.source.query(`alter event trigger no_room enable`);
    expect(await requestResync(feed.source, 'pg2', [{ schema: 'public', name: 'item' }])).toBe(true);
    await feed.until('the copy to fail', async () => (await failed()).includes('no room'));
    await feed.source.query('alter event trigger no_room disable');
    await sayIt();
    await feed.ready();
  }
  expect(await requestResume(feed.source, 'nobody')).toBe(false);
});

test('a table that the source’s role may not make holds up no other, is told by name, and is made once it may be', async () => {
  const { rig: feed, ...urls } = await open((names) => [
    `grant create on database ${names.database} to ${names.feed}`,
    `grant ${names.owner} to ${names.feed}`,
  ]);
  await feed.track({ item: [['n']] });
  const first = feed.start(urls);
  await feed.ready();
  await first.stop();
  const disk = await tablespace(feed);
  await feed.source.query(`alter role ${roles[1]} set default_tablespace = ${disk}`);
  await feed.track({ item: [['n']], other: [] });
  feed.start({ ...urls, onStep: changedMeanwhile(feed) });
  const said = 'permission denied for tablespace';
  await feed.until('the table to be told of', async () => {
    const { lastError = null, state } = (await feed.status()) ?? {};
    const table = (await feed.tableStatus('other'))?.state;
    const isTold = table?.kind === 'failed' && table.reason.includes(said);
    return isTold && state === 'streaming' && lastError?.includes(' other: copying failed: ') === true;
  });
  const interrupted = feed.log.filter((line) => line.includes('feed interrupted'));
  expect(interrupted).toHaveLength(1);
  expect(interrupted[0]).toContain('"error":"other: what changes meanwhile could not be kept: the source');
  await feed.target.query('insert into other values (2); update item set n = -n');
  await feed.caughtUp();
  const { target, cache } = await feed.contents('item');
  expect(cache).toEqual(target);
  await feed.source.query(`grant create on tablespace ${disk} to ${roles[1]}`);
  await feed.ready();
  expect((await feed.contents('other')).cache).toHaveLength(2);
  await feed.stop();
  await feed.source.query('drop schema nearjoin cascade');
  await feed.source.query(`drop tablespace ${disk}`);
});

/** What somebody does to a copy, so that its next change is refused; and what is said then. */
const REFUSED: Readonly<Record<string, readonly [statements: string, said: string]>> = {
  revoked: [
    'revoke insert, update, delete on COPY from ROLE',
    '(SQLSTATE 42501): the role of the source must',
  ],
  triggered: [
    'create trigger t before update on COPY for each row execute function refuse()',
    '(SQLSTATE ZZ001, by function refuse())',
  ],
  checked: ['alter table COPY add constraint mine check (n > 0)', '(SQLSTATE 23514, by constraint mine)'],
  keyless: ['alter table COPY drop constraint KEY', '(SQLSTATE 42P10)'],
  // It keeps the copy from being dropped.
  viewed: [
    'create view mine as table COPY; alter table COPY add constraint mine check (n > 0)',
    '(SQLSTATE 23514, by constraint mine)',
  ],
};
const SECRET = 'a value of a row';

test('a ready table whose changes the source refuses holds up no other, says by which rule, and comes back by itself', async () => {
  const names = Object.keys(REFUSED);
  const { rig: feed, ...urls } = await open(({ owner, feed: name, database }) => [
    `grant create on database ${database} to ${name}`,
    `grant ${owner} to ${name}`,
    `set role ${owner}; ${names.map((table) => `create table ${table} (id int primary key, n int); insert into ${table} select g, g from generate_series(1, 9) g`).join('; ')}; reset role`,
  ]);
  await feed.track(Object.fromEntries(['item', ...names].map((name) => [name, []])));
  feed.start(urls);
  await feed.ready();
  const item = (await feed.tableStatus('item'))?.relation;
  await feed.source.query(`create function public.refuse() returns trigger language plpgsql as
    $$ begin raise exception '${SECRET} %', new.n using errcode = 'ZZ001'; end $$`);
  for (const [name, [statements, said]] of Object.entries(REFUSED)) {
    const before = (await feed.tableStatus(name))?.relation ?? '';
    const copy = { COPY: `nearjoin."${before}"`, ROLE: roles[1] ?? '', KEY: await keyOf(feed, before) };
    await feed.source.query(
      statements.replaceAll(/COPY|ROLE|KEY/g, (word) => copy[word as keyof typeof copy]),
    );
    await feed.target.query(`update ${name} set n = -n; update item set n = n + 1`);
    await feed.caughtUp();
    await feed.copiedAgain(name, before);
    const { target, cache } = await feed.contents(name);
    expect(cache).toEqual(target);
    const told = feed.log.filter(
      (line) => line.includes('a table is copied again') && line.includes(`"${name}"`),
    );
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(said);
  }
  const { target, cache } = await feed.contents('item');
  expect(cache).toEqual(target);
  expect((await feed.tableStatus('item'))?.relation).toBe(item);
  expect(feed.log.join('\n')).not.toContain(SECRET);
  await whenItsViewIsGone(feed);
  await feed.stop();
  await feed.source.query('drop schema nearjoin cascade');
});

/** The copy that a view keeps is told of, and goes when the view does. */
async function whenItsViewIsGone(feed: FeedRig): Promise<void> {
  const said = 'an old copy stays: nearjoin."pg2__public__viewed__g';
  await feed.until('it to be told of', async () => (await feed.status())?.lastError?.includes(said) === true);
  const old = feed.log.filter((line) => line.includes('an old copy stays'));
  expect(old).toHaveLength(1);
  expect(old[0]).toContain('something else depends on it, which goes with: drop view mine;');
  const interruptions = (): number => feed.log.filter((line) => line.includes('feed interrupted')).length;
  const before = interruptions();
  await feed.source.query('drop view mine');
  await feed.until('the old copy to go', async () => {
    const { rows } = await feed.source.query(
      `select from pg_class where relname like 'pg2\\_\\_public\\_\\_viewed%' and relkind = 'r'`,
    );
    return rows.length === 1;
  });
  expect(interruptions()).toBe(before);
}

async function keyOf({ source }: FeedRig, relation: string): Promise<string> {
  const { rows } = await source.query<{ name: string }>(
    `select quote_ident(conname) as name from pg_constraint where conrelid = to_regclass($1) and contype = 'p'`,
    [`nearjoin."${relation}"`],
  );
  return rows[0]?.name ?? '';
}

test('what is refused of a table again and again ends the stream of the others once', async () => {
  const { rig: feed, ...urls } = await open((names) => [
    `grant create on database ${names.database} to ${names.feed}`,
    `grant ${names.owner} to ${names.feed}`,
  ]);
  await feed.source.query(`create function public.no_overlay() returns event_trigger language plpgsql as
    $$ begin if exists (select from pg_event_trigger_ddl_commands() where object_identity ~ 'other__o') then
      raise exception 'not here'; end if; end $$`);
  await feed.source.query(`create event trigger no_overlay on ddl_command_end when tag in ('CREATE TABLE')
    execute function public.no_overlay()`);
  feed.start({ ...urls, onStep: changedMeanwhile(feed) });
  const failures = (): readonly string[] => feed.log.filter((line) => line.includes('a copy failed'));
  await feed.until('two tries', () => Promise.resolve(failures().length > 1));
  expect(failures()[0]).toContain('refused a statement (SQLSTATE P0001, by function no_overlay())');
  await feed.target.query('update item set n = -n');
  await feed.caughtUp();
  expect(feed.log.filter((line) => line.includes('feed interrupted'))).toHaveLength(1);
  await feed.source.query('drop event trigger no_overlay');
  feed.reload();
  await feed.ready();
  const { target, cache } = await feed.contents('other');
  expect(cache).toEqual(target);
});

/**
 * Changes `other` when the first copy is begun: a change to be kept beside its copy is the first to need a table. Whichever
 * copy comes first, none goes on before the change has ended the stream.
 */
function changedMeanwhile(feed: FeedRig): StepHook {
  let changed: Promise<void> | undefined;
  const change = async (): Promise<void> => {
    await feed.target.query('insert into other values (1)');
    const slot = 'select from pg_replication_slots where slot_name = $1 and active';
    const isOver = async (): Promise<boolean> =>
      (await feed.target.query(slot, [await slotOf(feed)])).rows.length === 0;
    await feed.until('the stream to end', isOver);
  };
  const onStep = (step: string): Promise<void> | undefined =>
    step === 'copy:begun' ? (changed ??= change()) : undefined;
  return Object.assign(onStep, { inOneTrip: true });
}

/** A disk of the source that its roles have no right on. */
async function tablespace({ source }: FeedRig): Promise<string> {
  const name = `disk_${randomBytes(4).toString('hex')}`;
  const client = new pg.Client({
    connectionString: `${source.url}?options=-c%20allow_in_place_tablespaces%3Don`,
  });
  await client.connect();
  await client.query(`create tablespace ${name} location ''`);
  await client.end();
  return name;
}

test('what a role, or its connection string, limits and sets ends no session of a feed and changes no value', async () => {
  const { rig: feed, sourceUrl } = await open(() => []);
  const limits = ['statement_timeout', 'idle_in_transaction_session_timeout', 'lock_timeout'];
  for (const limit of limits) await feed.source.query(`alter role ${roles[1]} set ${limit} = '10s'`);
  const asked = {
    url: `${sourceUrl}?options=-c%20lock_timeout%3D9s%20-c%20datestyle%3DGerman%20-c%20search_path%3Dpublic`,
    applicationName: 'nearjoin test',
    settings: { lock_timeout: '500' },
  };
  const session = await Session.open(asked, new AbortController().signal);
  const { rows } = await session.client.query('select current_setting(unnest($1::text[])) as value', [
    [...limits, 'datestyle', 'search_path'],
  ]);
  // What the connection string says holds where nothing depends on it.
  expect(rows.map(({ value }) => value)).toEqual(['0', '0', '500ms', 'ISO, MDY', 'pg_catalog, public']);
  await session.close();
});

test('a table of which policies hide rows from the role has no copy, whatever comes first', async () => {
  let names = { owner: '', feed: '' };
  const { rig: feed, ...urls } = await open((made) => {
    names = made;
    return [
      `grant create on database ${made.database} to ${made.feed}`,
      `grant ${made.owner} to ${made.feed}`,
      'alter table item enable row level security, force row level security',
      'create policy few on item using (id < 3)',
    ];
  });
  feed.start(urls);
  const hidden = `row level security hides rows of it from role ${names.feed}`;
  const isRefused = async (): Promise<boolean> => {
    const { state, relation } = (await feed.tableStatus('item')) ?? {};
    if (state?.kind !== 'failed' || !state.reason.includes(hidden)) return false;
    const { rows } = await feed.source.query(`select to_regclass($1) as copy`, [`nearjoin."${relation}"`]);
    return rows[0]?.['copy'] === null;
  };
  await feed.until('it to be refused', isRefused);
  await feed.target.query(`alter role ${names.feed} bypassrls`);
  await feed.ready();
  expect((await feed.contents('item')).cache).toHaveLength(50);
  await feed.target.query(`alter role ${names.feed} nobypassrls`);
  await feed.until('it to be refused again', isRefused);
  await feed.target.query('alter table item disable row level security');
  await feed.ready();
  await feed.target.query('alter table item enable row level security');
  await feed.until('it to be refused once more', isRefused);
  await feed.target.query('insert into other values (1)');
  await feed.caughtUp();
  expect((await feed.contents('other')).cache).toHaveLength(1);
});
