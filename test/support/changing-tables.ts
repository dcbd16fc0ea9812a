/** A table of some shape, and how to write to it. */
interface Shape {
  readonly create: readonly string[];
  /** A key made of a whole number. */
  readonly key: string;
  /** Gives a row another key nobody has. */
  readonly rekey: string;
}

const rest = 'n int not null, body text, note text';
const away = (column: string): string =>
  `${column} = case when ${column} > 1000000 then ${column} - 1000000 else ${column} + 1000000 end`;
const prefixed = (column: string): string =>
  `${column} = case when left(${column}, 1) = 'z' then substr(${column}, 2) else 'z' || ${column} end`;

const SHAPES: Readonly<Record<string, Shape>> = {
  plain: { create: [`create table plain (id int primary key, ${rest})`], key: 'i', rekey: away('id') },
  pair: {
    create: [`create table pair (a text, b numeric(12,2), ${rest}, primary key (b, a))`],
    key: `chr(65 + i % 26) || 'é' || i, i / 4.0`,
    rekey: prefixed('a'),
  },
  unique: {
    create: [
      `create table "unique" (code text not null, ${rest})`,
      'create unique index unique_code on "unique" (code)',
      'alter table "unique" replica identity using index unique_code',
    ],
    key: `'k' || i`,
    rekey: prefixed('code'),
  },
  full: {
    create: [
      `create table "full" (id uuid not null unique, ${rest})`,
      'alter table "full" replica identity full',
    ],
    key: 'md5(i::text)::uuid',
    rekey: 'id = md5(id::text)::uuid',
  },
  parts: {
    create: [
      `create table parts (id int primary key, ${rest}) partition by range (id)`,
      'create table parts1 partition of parts for values from (0) to (100)',
      'create table parts2 partition of parts for values from (100) to (100000000)',
    ],
    key: 'i',
    rekey: away('id'),
  },
};

/** Tables with every kind of key, large values beside their rows, and a journal of what each was after each transaction. */
export const CHANGING_TABLES: readonly string[] = Object.keys(SHAPES);

const EXTERNAL: readonly string[] = CHANGING_TABLES.map(
  (name) => `alter table "${name}" alter column body set storage external`,
);

/** Makes the tables and fills each with so many rows. */
export function makeTables(rows: number): readonly string[] {
  return [
    'create table journal (name text, round int, digest text, primary key (name, round))',
    ...Object.values(SHAPES).flatMap(({ create }) => create),
    ...EXTERNAL,
    ...CHANGING_TABLES.map((name) => insert(name, 1, rows)),
  ];
}

/** A digest of all rows of a relation. */
export function digest(relation: string): string {
  return `(select md5(string_agg(t::text, ',' order by t::text collate "C")) from ${relation} t)`;
}

/** What is chosen at random, and how. */
export interface Choice {
  readonly pick: (below: number) => number;
  /** Keys stay as they are. */
  readonly keepsKeys?: boolean;
}

/** One transaction of a table's only writer: changes of a random kind, and what the table is afterwards. */
export function changeTable(name: string, round: number, choice: Choice): readonly string[] {
  const note = `insert into journal values ('${name}', ${round}, ${digest(`"${name}"`)})`;
  return [...change(name, round, choice), note];
}

function change(name: string, round: number, { pick, keepsKeys = false }: Choice): readonly string[] {
  const table = `"${name}"`;
  const some = `ctid in (select ctid from ${table} order by random() limit ${1 + pick(10)})`;
  const rekey = SHAPES[name]?.rekey ?? '';
  const fresh = 10_000 + round * 20;
  // A partition truncated by itself is not told of, so truncating any makes another copy: that has tests of its own.
  const kind = pick(150) === 0 && name !== 'parts' ? 'truncate' : pick(6);
  switch (keepsKeys && (kind === 2 || kind === 3) ? 0 : kind) {
    case 'truncate':
      return [`insert into ${table} ${rowsOf(name, fresh, 5)}`, `truncate ${table}`, insert(name, fresh, 20)];
    case 0:
      return [`update ${table} set n = n + 1, note = rpad('u', 200) where ${some}`];
    case 1:
      return [`update ${table} set body = repeat('c', ${pick(4000)}) where ${some}`];
    case 2:
      return [`update ${table} set ${rekey} where ${some}`];
    case 3:
      return [
        `update ${table} set ${rekey}, n = 0, body = null where ${some}`,
        `update ${table} set n = 1 where ${some}`,
      ];
    case 4:
      return [`delete from ${table} where ${some}`];
    default:
      return [insert(name, fresh, 1 + pick(12))];
  }
}

function insert(name: string, from: number, count: number): string {
  return `insert into "${name}" ${rowsOf(name, from, count)}`;
}

function rowsOf(name: string, from: number, count: number): string {
  const key = SHAPES[name]?.key ?? '';
  return `select ${key}, 0, repeat('b', 2100) || i, rpad('note', 200) from generate_series(${from}, ${from + count - 1}) i`;
}
