import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StepHook } from '../../src/replicate/steps.ts';
import { FeedRig } from '../support/feed.ts';

// Partitions come and go while the table is written to. Only what may be wrong in its copy is read again.

let rig: FeedRig;
let onStep: StepHook = () => undefined;

/** Six partitions of fifty ids each, with values large enough that an update does not send them. */
const parted = (name: string, divided = 'range (id)'): readonly string[] => [
  `create table ${name} (id int primary key, n int, big text) partition by ${divided}`,
  `alter table ${name} alter big set storage external`,
  ...[0, 1, 2, 3, 4, 5].map((at) =>
    divided.startsWith('range')
      ? `create table ${name}_${at} partition of ${name} for values from (${at * 50}) to (${at * 50 + 50})`
      : `create table ${name}_${at} partition of ${name} for values with (modulus 6, remainder ${at})`,
  ),
  fill(name, 1, 299),
];

function fill(name: string, from: number, to: number): string {
  return `insert into ${name} select g, g, repeat(md5(g::text), 70) from generate_series(${from}, ${to}) g`;
}

const table = (name: string): string => `create table ${name} (id int primary key, n int, big text)`;

type Case = readonly [what: string, table: string, setUp: readonly string[], change: readonly string[]];

const KEPT: readonly Case[] = [
  [
    'a new one, and the oldest dropped',
    'daily',
    parted('daily'),
    ['create table daily_6 partition of daily for values from (300) to (350)', 'drop table daily_0'],
  ],
  [
    'both in one transaction',
    'nightly',
    parted('nightly'),
    [
      `begin; create table nightly_6 partition of nightly for values from (300) to (350);
       ${fill('nightly', 300, 310)}; drop table nightly_0; commit`,
    ],
  ],
  [
    'a table with rows attached',
    'attached',
    [...parted('attached'), table('late'), fill('late', 300, 349)],
    ['alter table attached attach partition late for values from (300) to (350)'],
  ],
  [
    'one created, filled and attached in one transaction, and written to after that',
    'swift',
    parted('swift'),
    [
      `begin; ${table('swift_6')}; ${fill('swift_6', 300, 320)}; savepoint s;
       alter table swift attach partition swift_6 for values from (300) to (350);
       release s; ${fill('swift', 321, 330)}; delete from swift where id = 301;
       update swift set big = 'changed' where id = 302; commit`,
    ],
  ],
  [
    'one detached, written to and attached again',
    'back',
    parted('back'),
    [
      `begin; alter table back detach partition back_2; update back_2 set n = -n where id % 2 = 0;
       delete from back_2 where id % 5 = 0; alter table back attach partition back_2 for values from (100) to (150); commit`,
    ],
  ],
  [
    'one that tells of a row, and then of its next version no more',
    'half',
    parted('half'),
    [
      `begin; update half set n = 1000 where id = 120; alter table half detach partition half_2;
       update half_2 set n = 2000 where id = 120; alter table half attach partition half_2 for values from (100) to (150);
       commit`,
    ],
  ],
  [
    'one that was elsewhere in the table before, and written to there',
    'roamed',
    [...parted('roamed'), table('roamer')],
    [
      `begin; alter table roamed attach partition roamer for values from (400) to (450); ${fill('roamed', 400, 420)};
       alter table roamed detach partition roamer; delete from roamer;
       alter table roamed attach partition roamer for values from (300) to (350); commit`,
    ],
  ],
  [
    'one that was elsewhere for a moment, beside a default one',
    'strayed',
    [...parted('strayed'), 'create table strayed_x partition of strayed default', fill('strayed', 600, 700)],
    [
      `begin; alter table strayed detach partition strayed_3; create table strayed_kept as table strayed_3; delete from strayed_3;
       alter table strayed attach partition strayed_3 for values from (800) to (850); ${fill('strayed', 800, 820)};
       alter table strayed detach partition strayed_3; truncate strayed_3; insert into strayed_3 table strayed_kept;
       alter table strayed attach partition strayed_3 for values from (150) to (200); commit`,
    ],
  ],
  [
    'one without a key created, filled and attached in one transaction',
    'bare',
    [
      'create table bare (id int primary key, n int) partition by range (id)',
      ...[0, 1, 2].map(
        (at) => `create table bare_${at} partition of bare for values from (${at * 50}) to (${at * 50 + 50})`,
      ),
      'insert into bare select g, g from generate_series(1, 149) g',
    ],
    [
      `begin; create table bare_3 (id int not null, n int); insert into bare_3 select g, g from generate_series(150, 170) g;
       alter table bare attach partition bare_3 for values from (150) to (200); commit`,
    ],
  ],
  [
    'one made, filled and emptied in one transaction',
    'undone',
    parted('undone'),
    [
      `begin; create table undone_6 partition of undone for values from (300) to (350);
       ${fill('undone', 300, 310)}; truncate undone_6; commit`,
    ],
  ],
  ['one detached', 'detached', parted('detached'), ['alter table detached detach partition detached_3']],
  [
    'one detached concurrently',
    'slowly',
    parted('slowly'),
    ['alter table slowly detach partition slowly_3 concurrently'],
  ],
  [
    'one truncated and filled again at once',
    'emptied',
    parted('emptied'),
    ['truncate emptied_1', `${fill('emptied', 60, 70)} on conflict do nothing`],
  ],
  [
    'one dropped and made again with the same bounds',
    'reborn',
    parted('reborn'),
    [
      `begin; drop table reborn_4; create table reborn_4 partition of reborn for values from (200) to (250);
       ${fill('reborn', 205, 210)}; commit`,
    ],
  ],
  [
    'one taken out of the default partition',
    'spilt',
    [...parted('spilt'), 'create table spilt_rest partition of spilt default', fill('spilt', 300, 310)],
    ['drop table spilt_1', 'create table spilt_7 partition of spilt for values from (400) to (450)'],
  ],
  [
    'one that is itself divided',
    'nested',
    [
      ...parted('nested'),
      'create table nested_n partition of nested for values from (300) to (400) partition by hash (id)',
      'create table nested_h partition of nested_n for values with (modulus 1, remainder 0)',
      fill('nested', 300, 399),
    ],
    ['truncate nested_h'],
  ],
  [
    'one of a list of texts',
    'listed',
    [
      'create table listed (id int, kind text, n int, big text, primary key (id, kind)) partition by list (kind)',
      ...['a', "it''s", 'c', 'd'].map(
        (kind, at) => `create table listed_${at} partition of listed for values in ('${kind}', '${kind}x')`,
      ),
      `insert into listed select g, k, g, null from generate_series(1, 99) g, unnest('{a,it''s,c,cx,d}'::text[]) k`,
    ],
    ['truncate listed_1', 'alter table listed detach partition listed_2'],
  ],
  [
    'one by domains',
    'sums',
    [
      'create domain amount as int',
      'create domain total as amount check (value >= 0)',
      'create domain word as varchar(9)',
      'create table sums (id total, kind word, n int, big text, primary key (id, kind)) partition by list (kind)',
      ...['a', 'b', 'c'].flatMap((kind) => [
        `create table sums_${kind} partition of sums for values in ('${kind}') partition by range (id)`,
        ...[0, 50].map(
          (from) =>
            `create table sums_${kind}_${from} partition of sums_${kind} for values from (${from}) to (${from + 50})`,
        ),
      ]),
      `insert into sums select g, k, g, null from generate_series(1, 99) g, unnest('{a,b,c}'::text[]) k`,
    ],
    ['truncate sums_a_0', 'drop table sums_b_50'],
  ],
  [
    'one of days',
    'days',
    [
      `create table days (id int, at timestamptz, n int, big text, primary key (id, at)) partition by range (at, id)`,
      ...[1, 2, 3, 4].map(
        (day) =>
          `create table days_${day} partition of days for values from ('2026-01-0${day}', 0) to ('2026-01-0${day + 1}', 0)`,
      ),
      `insert into days select g, '2026-01-01'::timestamptz + g * '19 min'::interval, g, null from generate_series(1, 299) g`,
    ],
    [
      'drop table days_1',
      `create table days_5 partition of days for values from ('2026-01-05', 0) to ('2026-01-06', 0)`,
    ],
  ],
  [
    'the default one',
    'rest',
    [...parted('rest'), 'create table rest_x partition of rest default', fill('rest', 300, 310)],
    ['truncate rest_x'],
  ],
  [
    'the default one detached, divided and attached again',
    'leftover',
    [
      ...parted('leftover'),
      'create table leftover_x partition of leftover default',
      fill('leftover', 300, 420),
    ],
    [
      `begin; alter table leftover detach partition leftover_x;
       create table leftover_6 partition of leftover for values from (300) to (350);
       insert into leftover select * from leftover_x where id < 350; delete from leftover_x where id < 370;
       alter table leftover attach partition leftover_x default; commit`,
    ],
  ],
  [
    'a list of labels, and the default one of it',
    'moods',
    [
      `create type mood as enum ('sad', 'glad', 'calm', 'wild')`,
      'create table moods (id int, mood mood, n int, big text, primary key (id, mood)) partition by list (mood)',
      ...['sad', 'glad', 'calm'].map(
        (mood) => `create table moods_${mood} partition of moods for values in ('${mood}')`,
      ),
      'create table moods_x partition of moods default',
      `insert into moods select g, m, g, null from generate_series(1, 60) g, unnest(enum_range(null::mood)) m`,
    ],
    ['truncate moods_glad', 'delete from moods where id < 10', 'truncate moods_x'],
  ],
  [
    'one by two columns, and some made ahead',
    'tenants',
    [
      `create table tenants (tenant int, at date, id int, n int, big text, primary key (tenant, at, id))
       partition by range (tenant, at)`,
      `create table tenants_1 partition of tenants for values from (1, '2026-01-01') to (1, '2026-01-02')`,
      `create table tenants_2 partition of tenants for values from (1, '2026-01-02') to (1, '2026-01-03')`,
      `insert into tenants select 1, '2026-01-01'::date + g % 2, g, g from generate_series(1, 80) g`,
    ],
    [
      `begin; truncate tenants_1; create table tenants_3 partition of tenants for values from (1, '2026-01-03') to (2, minvalue);
       create table tenants_4 partition of tenants for values from (2, minvalue) to (2, maxvalue);
       insert into tenants values (2, '2027-01-01', 1, 1), (1, '2026-01-01', 2, 2); commit`,
    ],
  ],
];

const COPIED: readonly Case[] = [
  ['one of a hash', 'hashed', parted('hashed', 'hash (id)'), ['truncate hashed_1']],
  [
    'one of a range of texts',
    'worded',
    [
      'create table worded (id text primary key, n int, big text) partition by range (id)',
      ...['a', 'c', 'e'].map(
        (from, at) =>
          `create table worded_${at} partition of worded for values from ('${from}') to ('${'ceg'[at]}')`,
      ),
      `insert into worded select k || g, g from generate_series(1, 20) g, unnest('{a,b,c,d,e,f}'::text[]) k`,
    ],
    ['truncate worded_1'],
  ],
  ['most of them', 'most', parted('most'), ['truncate most_0, most_1, most_2, most_3']],
];

const STEPPED = ['busy', 'folded', 'ended', 'cleared', 'absent'] as const;

beforeAll(async () => {
  const cases = [...KEPT, ...COPIED];
  const setUp = [
    ...cases.flatMap(([, , statements]) => statements),
    ...STEPPED.flatMap((name) => parted(name)),
  ];
  const names = [...cases.map(([, name]) => name), ...STEPPED];
  rig = await FeedRig.open(setUp, Object.fromEntries(names.map((name) => [name, []])));
  start();
  await rig.ready();
  await fresh('daily');
});

afterAll(() => rig?.close());

function start(): void {
  rig.start({ limits: { schemaPollMs: 60_000 }, onStep: (step) => onStep(step) });
}

/** The number of the physical table, which a new name leaves alone. */
async function heap(name: string): Promise<number> {
  const { rows } = await rig.source.query<{ oid: number }>(
    `select c.oid from nearjoin.cache_table t join pg_class c on c.relname = t.relation where t.table_name = $1`,
    [name],
  );
  return rows[0]?.oid ?? 0;
}

/** No partition for the row, or in the way of whoever changes them. */
const EXPECTED = new Set(['23514', '40P01', '55P03', '42P01']);

async function tried(statement: string): Promise<boolean> {
  try {
    await rig.target.query(statement);
    return true;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !EXPECTED.has(error.code ?? '')) throw error;
    return false;
  }
}

/** Changes rows all over a table until told to stop. */
async function write(name: string, stop: AbortSignal): Promise<void> {
  const others = name === 'days' || name === 'listed';
  for (let at = 0; !stop.aborted; at += 1) {
    await tried(`update ${name} set n = n + 1 where id % 11 = ${at % 11}`);
    await tried(`delete from ${name} where id % 13 = ${at % 13} and id % 2 = 0`);
    await tried(`update ${name} set n = 0, big = 'x' where id % 17 = ${at % 17}`);
    if (others) continue;
    await tried(`${fill(name, at % 300, at % 300)} on conflict (id) do update set n = -1`);
    await tried(`update ${name} set id = 299 - id where id = ${at % 150} and id <> 299 - id
      and not exists (select from ${name} where id = 299 - ${at % 150})`);
  }
}

/** Waits until the table is read and called fresh as of now. */
async function fresh(name: string): Promise<void> {
  const clock = '(extract(epoch from clock_timestamp()) * 1000000)::bigint::text';
  const now = await rig.source.query<{ now: string }>(`select ${clock} as now`);
  await rig.until(`${name} to be fresh`, async () => {
    const { rows } = await rig.source.query<{ fresh: boolean | null }>(
      `select t.state = 'ready' and (select w.position is not null and w.fresh_as_of > $2::bigint
         from nearjoin.watermark w where w.target = t.target order by w.seq desc limit 1) as fresh
       from nearjoin.cache_table t where t.table_name = $1`,
      [name, now.rows[0]?.now],
    );
    return rows[0]?.fresh === true;
  });
}

async function agrees(name: string): Promise<void> {
  await fresh(name);
  const { target, cache } = await rig.contents(name);
  expect(cache).toEqual(target);
}

async function change(name: string, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    await rig.until(statement, async () => {
      const isDone = await tried(statement);
      if (!isDone) await rig.target.query('rollback');
      return isDone;
    });
  }
  await fresh(name);
}

test.each(KEPT)('%s: the copy stays', async (...[, name, , statements]) => {
  const before = await heap(name);
  await change(name, statements);
  await agrees(name);
  expect(await heap(name), rig.log.slice(-12).join('\n')).toBe(before);
});

test.each(COPIED)(
  '%s truncated: nobody knows which rows lay there, and all are copied again',
  async (...[, name, , statements]) => {
    const before = await heap(name);
    await change(name, statements);
    await agrees(name);
    expect(await heap(name)).not.toBe(before);
  },
);

test('rows are written all over a table while partitions come and go', async () => {
  const before = await heap('busy');
  const stop = new AbortController();
  const writing = write('busy', stop.signal);
  try {
    await change('busy', ['create table busy_6 partition of busy for values from (300) to (350)']);
    await change('busy', ['drop table busy_0']);
    await change('busy', ['truncate busy_2']);
    await change('busy', ['alter table busy detach partition busy_3', 'truncate busy_3']);
    await change('busy', ['alter table busy attach partition busy_3 for values from (150) to (200)']);
  } finally {
    stop.abort();
    await writing;
  }
  await agrees('busy');
  expect(await heap('busy'), rig.log.slice(-30).join('\n')).toBe(before);
});

/** Does something when a copy has come to a step, once. */
function at(step: string, work: () => Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    onStep = async (reached) => {
      if (reached !== step) return;
      onStep = () => undefined;
      await work().then(() => resolve(), reject);
    };
  });
}

test.each(['copy:snapshot-taken', 'copy:rows-copied', 'copy:caught-up'])(
  'another partition goes when the parts of the first have come to %s',
  async (step) => {
    const before = await heap('folded');
    const number = ['copy:snapshot-taken', 'copy:rows-copied', 'copy:caught-up'].indexOf(step);
    const done = at(step, async () => {
      await rig.target.query('update folded set n = n + 1 where id % 3 = 0');
      await rig.target.query(`truncate folded_${number + 3}`);
      await rig.target.query('delete from folded where id % 7 = 0');
    });
    await rig.target.query(`truncate folded_${number}`);
    await done;
    await agrees('folded');
    expect(await heap('folded')).toBe(before);
  },
);

test('the whole table is truncated while a part is read again', async () => {
  const before = await heap('cleared');
  const done = at('copy:snapshot-taken', async () => {
    await rig.target.query('insert into cleared values (60, 1)');
  });
  await rig.target.query('truncate cleared_1');
  await done;
  await rig.target.query('truncate cleared');
  await rig.target.query(fill('cleared', 1, 20));
  await agrees('cleared');
  expect(before).toBeGreaterThan(0);
});

test('the feed stops while a part is read again, and goes on with it', async () => {
  const before = await heap('ended');
  for (const [number, step] of ['copy:snapshot-taken', 'copy:rows-copied', 'copy:caught-up'].entries()) {
    let stopped: Promise<void> = Promise.resolve();
    const done = at(step, () => {
      stopped = rig.stop();
      return Promise.resolve();
    });
    await rig.target.query(`truncate ended_${number}`);
    await done;
    await stopped;
    await rig.target.query('update ended set n = -n where id % 3 = 0');
    await rig.target.query(`insert into ended values (${number * 50 + 7}, 7)`);
    start();
    await agrees('ended');
  }
  // While a transaction of the target keeps it waiting, nothing is kept beside the copy: that goes on being fed.
  const open = new pg.Client({ connectionString: rig.target.url });
  await open.connect();
  await open.query('begin; select pg_current_xact_id()');
  await rig.target.query('truncate ended_4');
  await rig.until('the wait', async () => (await rig.tableStatus('ended'))?.state.kind === 'copying');
  await rig.stop();
  await rig.target.query('update ended set n = -n where id % 3 = 0');
  start();
  await rig.caughtUp();
  await open.query('commit');
  await open.end();
  await agrees('ended');
  expect(await heap('ended')).toBe(before);
});

test('a partition goes while the feed is away, after it was written to', async () => {
  const before = await heap('absent');
  await rig.stop();
  await rig.target.query('update absent set n = -n where id % 3 = 0');
  await rig.target.query('drop table absent_1');
  start();
  await agrees('absent');
  expect(await heap('absent')).toBe(before);
});
