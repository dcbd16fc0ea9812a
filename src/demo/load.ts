import type { Client } from 'pg';
import { progressBar, type Screen } from './screen.ts';

/** One table of the demo: how it is made and how the rows from `$1` to `$2` are. */
interface DemoTable {
  readonly label: string;
  readonly create: readonly string[];
  readonly count: string;
  readonly fill: string;
}

const USERS: DemoTable = {
  label: 'users',
  create: [
    `create table if not exists public."user" (
       id bigint primary key,
       name text not null,
       country text not null,
       credit numeric(12, 2) not null,
       updated_at timestamptz not null default now()
     )`,
  ],
  count: 'select count(*)::int as rows from public."user"',
  fill: `
    insert into public."user" (id, name, country, credit)
    select
      n,
      (array['Ada','Bela','Chen','Dina','Emil','Farah','Goran','Hana','Ivo','Jun','Kemi','Lior'])[1 + n % 12]
        || ' ' ||
        (array['Abe','Berg','Costa','Diaz','Engel','Frey','Gupta','Haas','Ito','Jansen','Kaya'])[1 + n % 11],
      (array['BR','DE','ES','FR','IN','JP','KE','MX','NG','TR'])[1 + n % 10],
      (n * 7919 % 100000)::numeric / 100
    from generate_series($1::int, $2::int) as n`,
};

const ORDERS: DemoTable = {
  label: 'orders',
  create: [
    `create table if not exists public."order" (
       id bigint primary key,
       user_id bigint,
       total numeric(12, 2) not null,
       status text not null,
       created_at timestamptz not null
     )`,
    'create index if not exists order_user_id on public."order" (user_id)',
  ],
  count: 'select count(*)::int as rows from public."order"',
  fill: `
    insert into public."order" (id, user_id, total, status, created_at)
    select
      n,
      case when n % 50 = 7 then null else 1 + (n::bigint * 7919) % $3::int end,
      100 + (n::bigint * 104729 % 90000)::numeric / 100,
      (array['new','paid','packed','sent','returned'])[1 + n % 5],
      timestamptz '2026-01-01 00:00:00+00' + n * interval '7 minutes'
    from generate_series($1::int, $2::int) as n`,
};

/** How many users there are for so many orders. */
function usersFor(orders: number): number {
  return Math.max(1, Math.floor(orders / 5));
}

/** Fills both databases, showing how far it is; a database that kept its rows is left as it is. */
export async function loadDemo(
  clients: { readonly orders: Client; readonly users: Client },
  rows: number,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const users = usersFor(rows);
  await fill({ client: clients.users, table: USERS, rows: users, extra: [] }, screen, signal);
  await fill({ client: clients.orders, table: ORDERS, rows, extra: [users] }, screen, signal);
}

interface Filling {
  readonly client: Client;
  readonly table: DemoTable;
  readonly rows: number;
  readonly extra: readonly number[];
}

/** One transaction, so that a run that is stopped half way leaves nothing that looks complete. */
async function fill(
  { client, table, rows, extra }: Filling,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  await client.query('begin');
  for (const statement of table.create) await client.query(statement);
  const kept = await client.query<{ rows: number }>(table.count);
  const present = kept.rows[0]?.rows ?? 0;
  if (present > 0) screen.line(`  ${table.label.padEnd(8)}kept from the last run: ${present}`);
  else {
    const step = Math.max(250, Math.ceil(rows / (screen.rewrites ? 40 : 4)));
    for (let first = 1; first <= rows; first += step) {
      signal.throwIfAborted();
      const last = Math.min(rows, first + step - 1);
      await client.query(table.fill, [first, last, ...extra]);
      screen.status(progressBar(table.label, last, rows));
    }
    if (screen.rewrites) screen.line(progressBar(table.label, rows, rows));
  }
  await client.query('commit');
  await client.query('analyze');
}
