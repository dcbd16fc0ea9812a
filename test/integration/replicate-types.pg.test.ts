import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SESSION_FORM } from '../../src/core/postgres/session-form.ts';
import type { FeedLimits } from '../../src/replicate/feed-options.ts';
import { FeedRig, type Tracked } from '../support/feed.ts';
import type { TestLane } from '../support/lane.ts';
import { dealtUnderRoot, togetherUnderRoot } from '../support/lanes-under-root.ts';
import { type TestDatabase, testServer } from '../support/postgres.ts';
import { NO_VALUES, OWN_TYPES, OWN_VALUES, TYPED_VALUES } from '../support/typed-values.ts';

// Every type a column can have, from the target through copy and stream into the cache, and from there, live and from
// one database into an answer: the same text each time.

interface Column {
  readonly name: string;
  /** As SQL. */
  readonly type: string;
  /** SQL expressions. */
  readonly values: readonly string[];
}

const quote = pg.escapeLiteral;
const nameOf = (type: string): string => type.replaceAll(/[^a-z0-9_]/g, '_');
const castsOf = (type: string, values: readonly string[]): string[] =>
  values.map((value) => `${quote(value)}::${type}`);

const builtIn = (name: string): string => `pg_catalog.${pg.escapeIdentifier(name)}`;

const VERSIONS = [testServer('source').version, testServer('target').version];
/** A byte above 127 is written as its number from Postgres 16 on, and an older one reads only the backslash of that. */
const isReadAlike = (name: string, value: string): boolean =>
  new Set(VERSIONS.map((version) => version >= 16)).size === 1 || name !== 'char' || !/^\\[23]/.test(value);
const isNaming = (name: string): boolean => /^reg|^aclitem$/.test(name);
const COLUMNS: readonly Column[] = Object.entries(TYPED_VALUES).map(([name, values]) => ({
  name,
  type: builtIn(name),
  values: castsOf(
    builtIn(name),
    values.filter((value) => isReadAlike(name, value)),
  ),
}));
/** Of whose columns copies are made. */
const BUILT_IN = COLUMNS.filter(({ name }) => !isNaming(name));
/** Types that Postgres 14 does not know, as source or as target. */
const SINCE_15 = new Set(['numeric(3,-2)']);
const isSince15 = Math.min(...VERSIONS) >= 15;
const OWN: readonly Column[] = Object.entries(OWN_VALUES)
  .filter(([type]) => isSince15 || !SINCE_15.has(type))
  .map(([type, values]) => ({ name: nameOf(type), type, values: castsOf(type, values) }));

/** Across databases a composite is text, and so are the elements of an array of them or of a domain over arrays. */
const TEXT_ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  own: ['pair', 'nested', 'couple'],
  own_arrays: ['pair', 'nested', 'couple', 'list'],
};

/** All values in one array and a null among them, none, more dimensions, and bounds that do not start at one. */
function arrayOf({ name, type, values }: Column): Column {
  const all = `array[${values.join(', ')}, null]::${type}[]`;
  const one = values[0] ?? 'null';
  const two = `array[array[${one}, null], array[null, ${one}]]::${type}[]`;
  const bound = `('[-1:0]=' || array[${one}, null]::${type}[]::text)::${type}[]`;
  return { name, type: `${type}[]`, values: [all, `'{}'::${type}[]`, two, bound] };
}

/** Tables of these alone are copied in binary. */
const IN_BINARY = BUILT_IN.filter(({ name }) =>
  /^(bool|bytea|int[248]|text|bpchar|varchar|jsonb?|float[48]|numeric|date|time|timestamp|timestamptz|uuid)$/.test(
    name,
  ),
);

const TABLES: Readonly<Record<string, readonly Column[]>> = {
  plain: BUILT_IN,
  arrays: BUILT_IN.map(arrayOf),
  in_binary: IN_BINARY,
  in_binary_arrays: IN_BINARY.map(arrayOf),
  domains: BUILT_IN.map((column) => ({ ...column, type: `d_${column.name}` })),
  domain_arrays: BUILT_IN.map((column) => arrayOf({ ...column, type: `d_${column.name}` })),
  own: OWN,
  own_arrays: OWN.map(arrayOf),
};
const NAMES = Object.keys(TABLES);

function tableSql(name: string): string[] {
  const columns = TABLES[name] ?? [];
  const list = columns.map((column) => `${pg.escapeIdentifier(column.name)} ${column.type}`);
  return [
    `create table ${name} (id int primary key, one int not null default 1, n int default 0, ${list.join(', ')})`,
    ...columns.map(({ name: column }) => storeOutside(name, column)),
    ...rowsSql(name),
  ];
}

/** Large values go outside of the row, from where the stream does not bring those an update leaves alone. */
function storeOutside(table: string, column: string): string {
  const type = `(select t.typstorage from pg_type t join pg_attribute a on a.atttypid = t.oid
    where a.attrelid = '${table}'::regclass and a.attname = ${quote(column)})`;
  return `do $$ begin if ${type} <> 'p' then
    alter table ${table} alter ${pg.escapeIdentifier(column)} set storage external; end if; end $$`;
}

/** Row n has the nth value of each column that has so many; a row more has none at all. */
function rowsSql(name: string): string[] {
  const columns = TABLES[name] ?? [];
  const count = Math.max(...columns.map(({ values }) => values.length));
  return Array.from({ length: count + 1 }, (_, row) => {
    const cells = columns.map(({ values }) => values[row] ?? 'null');
    return `insert into ${name} values (${row}, 1, 0, ${cells.join(', ')})`;
  });
}

let rig: FeedRig;
let dealt: TestLane;
let together: TestLane;

beforeAll(async () => {
  const domains = BUILT_IN.map(({ name, type }) => `create domain d_${name} as ${type}`);
  const root = ['create table root (id int primary key, one int)', 'insert into root values (1, 1)'];
  const naming = COLUMNS.filter(({ name }) => isNaming(name)).map(({ name, type }) => `${name} ${type}`);
  const statements = [
    ...OWN_TYPES,
    ...domains,
    ...root,
    ...NAMES.flatMap(tableSql),
    'create type inner_name as (n int, c regclass)',
    'create type outer_name as (i inner_name[])',
    `create table naming (id int primary key, one int default 1, ${naming.join(', ')}, list regclass[], pair outer_name)`,
    `insert into naming (id, regclass, list, pair) values (1, 'some_table', '{some_table,NULL}', row(array[row(1, 'some_table')::inner_name]))`,
  ];
  const all = [...NAMES, 'naming'];
  const tracked: Tracked = Object.fromEntries(all.map((name) => [name, [['one']]]));
  rig = await FeedRig.open(statements, tracked);
  const extensions = OWN_TYPES.filter((statement) => /^create (extension|schema)/.test(statement));
  for (const statement of [...extensions, ...root]) await rig.source.query(statement);
  // Whatever the databases prefer, the text must not follow it.
  for (const setting of [
    "datestyle to 'SQL, DMY'",
    "timezone to 'Asia/Kolkata'",
    "intervalstyle to 'iso_8601'",
    'array_nulls to off',
    'xmloption to document',
    'standard_conforming_strings to off',
    'quote_all_identifiers to on',
    'default_transaction_isolation to serializable',
    'session_replication_role to replica',
  ])
    for (const database of [rig.source, rig.target])
      await database.query(`alter database ${database.name} set ${setting}`);
  rig.start();
  await rig.ready();
  [dealt, together] = await Promise.all([dealtUnderRoot(rig, all), togetherUnderRoot(rig, all)]);
});

afterAll(async () => {
  await Promise.all([dealt?.close(), together?.close()]);
  await rig?.close();
});

const NEVER = { rows: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };

type Texts = Readonly<Record<string, string | null>>;

/** What the output functions print on a session with our settings. */
async function textsOf(database: TestDatabase, from: string, columns: readonly Column[]): Promise<Texts[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    for (const [name, value] of SESSION_FORM) await client.query(`set ${name} = ${quote(value)}`);
    const names = ['id', 'n', ...columns.map(({ name }) => name)].map((name) => pg.escapeIdentifier(name));
    // Not a cast to text: it takes the blanks of a char(n) away, and says `true` for a boolean.
    const list = names.map(
      (name) => `case when num_nulls(${name}) = 0 then format('%s', ${name}) end as ${name}`,
    );
    const { rows } = await client.query<Texts>(`select ${list.join(', ')} from ${from} order by ${from}.id`);
    return rows;
  } finally {
    await client.end();
  }
}

/** By column, so that a difference names the type. */
function byColumn(rows: readonly Texts[]): Record<string, (string | null | undefined)[]> {
  return Object.fromEntries(Object.keys(rows[0] ?? {}).map((name) => [name, rows.map((row) => row[name])]));
}

async function expectSame(name: string): Promise<void> {
  await rig.caughtUp();
  expect(rig.log.filter((line) => line.startsWith('warn'))).toEqual([]);
  const columns = TABLES[name] ?? [];
  const cached = `nearjoin.${pg.escapeIdentifier((await rig.tableStatus(name))?.relation ?? '')}`;
  const [expected, held] = await Promise.all([
    textsOf(rig.target, name, columns),
    textsOf(rig.source, cached, columns),
  ]);
  expect(byColumn(held)).toEqual(byColumn(expected));
}

test('no type of Postgres is forgotten', async () => {
  const { rows } = await rig.target.query<{ name: string }>(
    `select t.typname as name from pg_type t
     where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype in ('b', 'r', 'm', 'e', 'd')
       and not exists (select from pg_type e where e.typarray = t.oid) order by 1`,
  );
  const covered = [...Object.keys(TYPED_VALUES), ...Object.keys(NO_VALUES)].sort();
  expect(rows.map(({ name }) => name).filter((name) => !covered.includes(name))).toEqual([]);
});

test('names of objects are not kept in a copy: they change without a change of their row', async () => {
  expect((await rig.tableStatus('naming'))?.columns.map(({ name }) => name)).toEqual(['id', 'one']);
  const read = async (): Promise<unknown> => {
    const query = '{ root { naming { id regclass list pair } } }';
    const { text, targets } = await dealt.query(query, { freshness: { fallback: 'stale' } });
    expect(targets).toMatchObject([{ route: 'live', detail: 'column-not-cached' }]);
    return JSON.parse(text).root[0].naming;
  };
  const named = (name: string): unknown => ({
    id: 1,
    regclass: name,
    list: [name, null],
    pair: `("{""(1,${name})""}")`,
  });
  expect(await read()).toEqual([named('some_table')]);
  await rig.target.query('alter table some_table rename to other_table');
  expect(await read()).toEqual([named('other_table')]);
  await rig.target.query('alter table other_table rename to some_table');
});

/** One row as parameters, several as arrays, or copied into a stage: the limits that let through nothing else. */
const FORMS: Readonly<Record<string, Partial<FeedLimits>>> = {
  'one by one': { batch: { rows: 1, bytes: 1 }, stage: NEVER },
  'as arrays': { stage: NEVER },
  'through a stage': { stage: { rows: 1, bytes: 1 } },
};

describe.each(Object.keys(FORMS))('changes that are written %s', (form) => {
  beforeAll(async () => {
    await rig.stop();
    for (const name of NAMES) await rig.target.query(`delete from ${name} where id >= 100`);
    rig.start({ limits: FORMS[form] ?? {} });
    await rig.ready();
  });

  test.each(NAMES)('leave the values of table %s as they are', async (name) => {
    await expectSame(name);
    const columns = (TABLES[name] ?? []).map((column) => pg.escapeIdentifier(column.name)).join(', ');
    await rig.target.query(`insert into ${name} select id + 100, 1, 1, ${columns} from ${name}`);
    await rig.target.query(`insert into ${name} (id, n) select id + 200, 2 from ${name} where id < 100`);
    await expectSame(name);
    await rig.target.query(
      `update ${name} t set n = 3, (${columns}) = (select ${columns} from ${name} o where o.id = t.id - 200) where id >= 200`,
    );
    await rig.target.query(`update ${name} set n = 4 where id < 100`);
    await rig.target.query(`update ${name} set id = id + 1000 where id between 100 and 199`);
    await expectSame(name);
  });
});

describe.each(NAMES)('the values of table %s', (name) => {
  test('are written the same from the cache, live and from one database', async () => {
    const columns = (TABLES[name] ?? []).map((column) => column.name);
    const read = async (from: TestLane, noCache: boolean, fields: readonly string[]): Promise<string[]> => {
      const query = `{ root { ${name}(order_by: {id: asc}) { id ${fields.join(' ')} } } }`;
      const { text, targets } = await from.query(query, { freshness: { noCache, fallback: 'stale' } });
      expect(targets.map(({ route }) => route)).toEqual(from === dealt ? [noCache ? 'live' : 'cache'] : []);
      return text.split(/(?=,"\w+":)/); // a difference names the column
    };
    expect(await read(dealt, true, columns)).toEqual(await read(dealt, false, columns));
    const known = columns.filter((column) => !(TEXT_ELSEWHERE[name] ?? []).includes(column));
    expect(await read(dealt, false, known)).toEqual(await read(together, false, known));
  });
});
