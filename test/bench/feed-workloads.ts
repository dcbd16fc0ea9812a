import { remote } from './nearjoin-server.ts';

/** Rows of the tables at one scale. */
export interface Sizes {
  readonly users: number;
  readonly reviews: number;
}

/** The tables' sizes; `scale` 1 is the full size. */
export function sizesOf(scale: number): Sizes {
  const rows = (n: number): number => Math.max(2_000, Math.round(n * scale));
  return { users: rows(200_000), reviews: rows(1_000_000) };
}

/** The tables that are followed, with every index; both contenders get the same ones. */
export const TABLES = `
  create table users (id int primary key, name text not null, country text not null, logins int not null, seen_at timestamptz not null);
  create index users_country on users (country);
  create table reviews (id int primary key, product_id int not null, user_id int not null, stars int not null, helpful int not null,
    title text not null, body text not null, tags text[], price numeric(10,2), created_at timestamptz not null);
  create index reviews_user_id on reviews (user_id);
  create table ticks (w int primary key, n bigint not null)`;

/** Tables that a contender is to follow. */
export interface Followed {
  readonly tables: readonly string[];
  readonly sql: string;
  /** Relationships of a table of the source whose columns are `user_id` and `w`, to these tables. */
  readonly relationships: readonly unknown[];
}

/** Those that most of the measuring is done with. */
export const FOLLOWED: Followed = {
  tables: ['users', 'reviews', 'ticks'],
  sql: TABLES,
  relationships: [
    remote('user', 'object', 'users', { user_id: 'id' }),
    remote('reviews', 'array', 'reviews', { user_id: 'user_id' }),
    remote('tick', 'object', 'ticks', { w: 'w' }),
  ],
};

/** Many small tables of 1,000 rows each. */
export function smallTables(count: number): Followed & { readonly rows: readonly string[] } {
  const tables = Array.from({ length: count }, (_, at) => `small_${at}`);
  return {
    tables,
    sql: tables
      .map(
        (name) => `;create table ${name} (id int primary key, name text not null, at timestamptz not null)`,
      )
      .join(''),
    rows: tables.map(
      (name) => `insert into ${name} select i, 'row ' || md5(i::text), now() from generate_series(1, 1000) i`,
    ),
    relationships: tables.map((name) => remote(name, 'object', name, { user_id: 'id' })),
  };
}

/** Column lists for comparing contents, in the tables' own order. */
export const COLUMNS: Readonly<Record<string, string>> = {
  users: 'id, name, country, logins, seen_at',
  reviews: 'id, product_id, user_id, stars, helpful, title, body, tags, price, created_at',
  ticks: 'w, n',
};

/** Fills the tables. */
export function rowsSql({ users, reviews }: Sizes): readonly string[] {
  return [
    `insert into users select i, 'user ' || md5(i::text), 'c' || i % 100, i % 7, timestamptz '2024-01-01' + i * interval '1 second'
     from generate_series(1, ${users}) i`,
    `insert into reviews select ${review('i', users)} from generate_series(1, ${reviews}) i`,
    'insert into ticks select w, 0 from generate_series(0, 64) w',
    'vacuum analyze',
  ];
}

/** About 300 bytes. */
function review(i: string, users: number): string {
  return `${i}, 1 + (${i}::bigint * 31) % 50000, 1 + (${i}::bigint * 17) % ${users}, 1 + ${i} % 5, 0, 'title ' || md5(${i}::text),
    repeat(md5(${i}::text), 6), array['t' || ${i} % 10, 'u' || ${i} % 7], (${i} % 100000) / 100.0,
    timestamptz '2024-01-01' + (${i}::bigint * 13 % 500000) * interval '1 minute'`;
}

/** Something to catch up with: SQL for the target, and how many rows it changes. */
export interface Backlog {
  readonly name: string;
  readonly about: string;
  readonly rows: number;
  sql(round: number): string;
}

/** The backlogs; keys are scattered in b and c. */
export function backlogs(sizes: Sizes, scale: number): readonly Backlog[] {
  const half = Math.round(sizes.reviews / 2);
  const mixed = Math.round(3_000 * Math.min(scale, 1));
  return [
    {
      name: 'a',
      about: `one transaction that updates ${half} rows`,
      rows: half,
      sql: (round) =>
        `update reviews set helpful = helpful + 1, title = 'round ${round} ' || id where id % 2 = ${round % 2}`,
    },
    {
      name: 'b',
      about: `${half} transactions of one row`,
      rows: half,
      sql: (round) => `do $$ begin for i in 1..${half} loop
        update reviews set helpful = ${round}, stars = 1 + i % 5 where id = 1 + (i::bigint * 7919) % ${sizes.reviews};
        commit; end loop; end $$`,
    },
    {
      name: 'c',
      about: `${mixed} transactions of 100 rows: inserts, updates and deletes in two tables`,
      rows: mixed * 100,
      sql: (round) => mixedSql(round, mixed, sizes),
    },
    {
      name: 'd',
      about: `${mixed} transactions that insert 100 rows`,
      rows: mixed * 100,
      sql: (round) => insertsSql(round, mixed, sizes),
    },
  ];
}

/** 50 updates and 20 inserts and 20 deletes in one table, 10 updates in the other. */
function mixedSql(round: number, transactions: number, { users, reviews }: Sizes): string {
  const fresh = reviews + round * transactions * 20;
  const old = (round * transactions * 20) % reviews;
  return `do $$ begin for t in 0..${transactions - 1} loop
    update reviews set helpful = ${round} where id in
      (select 1 + ((t * 50 + g)::bigint * 7919) % ${reviews} from generate_series(1, 50) g);
    insert into reviews select ${review(`(${fresh} + t * 20 + g)`, users)} from generate_series(1, 20) g;
    delete from reviews where id in (select ${old} + t * 20 + g from generate_series(1, 20) g);
    update users set logins = logins + 1 where id in
      (select 1 + ((t * 10 + g)::bigint * 7919) % ${users} from generate_series(1, 10) g);
    commit; end loop; end $$`;
}

/** With ids far from those of the other backlogs. */
function insertsSql(round: number, transactions: number, { users, reviews }: Sizes): string {
  const fresh = reviews * 10 + round * transactions * 100;
  return `do $$ begin for t in 0..${transactions - 1} loop
    insert into reviews select ${review(`(${fresh} + t * 100 + g)`, users)} from generate_series(1, 100) g;
    commit; end loop; end $$`;
}
