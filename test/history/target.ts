import pg from 'pg';
import { formatLsn, type Lsn, lsnFromBits, parseLsn, ZERO_LSN } from '../../src/core/position/lsn.ts';
import { EARLY_TARGET } from '../support/early.ts';
import { ACCOUNTS, lastAtMost, Model, NOTE_LENGTH, type Transaction } from './model.ts';

// The target and what writes to it. Every transaction raises the counter in account 0, so they are in one order, and
// puts what it did into its own log record: the model is made from the log alone, also after a commit that nobody saw.

const FLOOD = 1_500;
/** How often one is begun, and how long it stays open at most, half written. */
const FLOODS = 0.006;
const LONGEST_FLOOD_S = 1;

/** Tables, functions and the slot of the test's own reader. */
const TARGET_SETUP: readonly string[] = [
  EARLY_TARGET,
  'create table account (id int primary key, balance int not null, seq int not null, note text)',
  'alter table account alter column note set storage external',
  'create table mirror (id int primary key, balance int not null, seq int not null)',
  'create table event (id int primary key, account_id int not null, n int not null)',
  'create table flood (id int primary key, account_id int not null, n int not null)',
  `create function tell(n int, ids int[], flooded int) returns void language sql as $$
     select pg_logical_emit_message(true, 'history', json_build_object('n', n,
       'account', (select coalesce(json_agg(json_build_array(id, balance, seq, left(note, 1))), '[]') from account where id = any (ids)),
       'mirror', (select coalesce(json_agg(json_build_array(id, balance, seq)), '[]') from mirror where id = any (ids)),
       'events', (select json_object_agg(i, (select coalesce(json_agg(json_build_array(e.id, e.n)), '[]')
         from event e where e.account_id = i)) from unnest(ids) i),
       'flood', flooded)::text) $$`,
  `create function transfer(a int, b int, amount int, kind int) returns int language plpgsql as $$
   #variable_conflict use_variable
   declare n int; slot int;
   begin
     update account set seq = seq + 1 where id = 0 returning seq into n;
     update account set balance = balance - amount, seq = n where id = a;
     update account set balance = balance + amount, seq = n where id = b;
     update mirror set balance = balance + amount, seq = n where id = a;
     update mirror set balance = balance - amount, seq = n where id = b;
     slot := a * 10 + n % 5;
     case kind
       when 0 then insert into event values (slot, a, n) on conflict (id) do update set n = excluded.n;
       when 1 then delete from event where id = slot;
       when 2 then
         delete from event where id = slot + 5;
         update event set id = slot + 5, n = n where id = slot;
       when 3 then
         update account set note = case when a <= 3 then repeat(chr(97 + n % 26), ${NOTE_LENGTH}) else chr(97 + n % 26) end where id = a;
       else
         delete from mirror where id = b;
         insert into mirror select b, -balance, n from account where id = b;
     end case;
     perform tell(n, array[0, a, b], null);
     return n;
   end $$`,
  // Its rows come before its place in the order, with a part that is undone: it is sent before it commits, while others do.
  `create function flood(seconds float8) returns int language plpgsql as $$
   #variable_conflict use_variable
   declare n int; flooded int;
   begin
     flooded := case when exists (select from flood) then 0 else ${FLOOD} end;
     begin
       if flooded = 0 then delete from flood where id % 2 = 0;
       else insert into flood select g, 1, 0 from generate_series(1, ${FLOOD} / 2) g; end if;
       raise exception 'undone';
     exception when raise_exception then null;
     end;
     if flooded = 0 then delete from flood;
     else insert into flood select g, 0, 0 from generate_series(1, ${FLOOD}) g; end if;
     perform pg_sleep(seconds);
     update account set seq = seq + 1 where id = 0 returning seq into n;
     update flood f set n = n where f.id > 0;
     perform tell(n, array[0], flooded);
     return n;
   end $$`,
];

/** The rows all begin from, told like every transaction. */
const FIRST_ROWS: readonly string[] = [
  `insert into account select g, 0, 0, case when g between 1 and 3 then repeat('a', ${NOTE_LENGTH}) end from generate_series(0, ${ACCOUNTS - 1}) g`,
  `insert into mirror select g, 0, 0 from generate_series(1, ${ACCOUNTS - 1}) g`,
  'update account set seq = 1 where id = 0',
  `select tell(1, array(select generate_series(0, ${ACCOUNTS - 1})), 0)`,
];

/** A commit's position, as an application would keep it to read its own write. */
export interface Written {
  readonly n: number;
  readonly lsn: string;
}

/** Now, on the clock that the servers of this machine share: the finer one stays behind when that is set meanwhile. */
export function nowMs(): number {
  return Date.now();
}

/** Reads the target's log into the model, and writes to the target until stopped. */
export class Target {
  readonly url: string;
  readonly model: Model = new Model();
  /** Transactions whose commit was answered, and when in milliseconds since 1970. */
  readonly #acknowledged: { readonly ns: number[]; readonly atMs: number[] } = { ns: [], atMs: [] };
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  /** The end of the last commit that was taken into the model. */
  #read: Lsn = ZERO_LSN;
  /** The newest commit whose position was asked for. */
  written: Written | null = null;

  constructor(url: string) {
    this.url = url;
  }

  async setUp(): Promise<void> {
    const client = await connected(this.url);
    await client.query(TARGET_SETUP.join(';'));
    await client.query('create publication history');
    await client.query(`select pg_create_logical_replication_slot('history', 'pgoutput')`);
    await client.query(FIRST_ROWS.join(';'));
    await client.end();
  }

  /** Several writers, each going on by itself when the target was away. */
  startWriting(random: () => number, writers: number): void {
    for (let at = 0; at < writers; at += 1) this.#running.push(this.#write(random));
  }

  async stopWriting(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  /** One more transaction, so that the log is flushed past all that was seen. */
  async flood(): Promise<void> {
    const client = await connected(this.url);
    await client.query('select flood(0)');
    await client.end();
  }

  /** The newest transaction whose commit had been answered by then. */
  acknowledgedBy(atMs: number): number {
    const { ns, atMs: times } = this.#acknowledged;
    return ns[lastAtMost(times, atMs)] ?? 0;
  }

  /**
   * Takes what the log tells by now into the model; everything up to the returned position is in it. The slot is moved
   * only afterwards: a server that ends meanwhile tells it all again.
   */
  async readLog(): Promise<bigint> {
    const client = await connected(this.url);
    try {
      const { rows: before } = await client.query('select pg_current_wal_flush_lsn()::text as lsn');
      const { rows } = await client.query<{ data: Buffer }>(
        `select data from pg_logical_slot_peek_binary_changes('history', null, null,
           'proto_version', '1', 'publication_names', 'history', 'messages', 'true')`,
      );
      const from = this.#read;
      this.#take(rows.map(({ data }) => parse(data)));
      if (this.#read > from)
        await client.query(`select pg_replication_slot_advance('history', $1)`, [formatLsn(this.#read)]);
      return parseLsn(String(before[0]?.['lsn']));
    } finally {
      await client.end();
    }
  }

  #take(messages: readonly LogMessage[]): void {
    let told: Transaction | null = null;
    for (const message of messages) {
      if (message.kind === 'told') told = message.transaction;
      if (message.kind !== 'commit') continue;
      if (told !== null && message.end > this.#read) this.model.add(told, message.end);
      told = null;
      if (message.end > this.#read) this.#read = message.end;
    }
  }

  async #write(random: () => number): Promise<void> {
    let client: pg.Client | null = null;
    const pick = (below: number): number => Math.floor(random() * below);
    while (!this.#stop.signal.aborted) {
      try {
        client ??= await connected(this.url);
        const a = 1 + pick(ACCOUNTS - 1);
        const b = 1 + ((a + pick(ACCOUNTS - 2)) % (ACCOUNTS - 1));
        const transfer = `transfer(${a}, ${b}, ${pick(100)}, ${pick(5)})`;
        const flood = `case when pg_try_advisory_xact_lock(1) then flood(${random() * LONGEST_FLOOD_S}) else ${transfer} end`;
        const call = random() < FLOODS ? flood : transfer;
        const { rows } = await client.query(`select ${call} as n`);
        this.#note(Number(rows[0]?.['n']), nowMs());
        if (random() < 0.2) await this.#askPosition(client, Number(rows[0]?.['n']));
        await pause(pick(8));
      } catch {
        // The target is away, or cut the connection; what became of the transaction the log will tell.
        await client?.end().catch(() => undefined);
        client = null;
        await pause(50);
      }
    }
    await client?.end();
  }

  #note(n: number, atMs: number): void {
    const { ns, atMs: times } = this.#acknowledged;
    ns.push(Math.max(n, ns.at(-1) ?? 0));
    times.push(Math.max(atMs, times.at(-1) ?? 0));
  }

  async #askPosition(client: pg.Client, n: number): Promise<void> {
    const { rows } = await client.query('select pg_current_wal_insert_lsn()::text as lsn');
    this.written = { n, lsn: String(rows[0]?.['lsn']) };
  }
}

type LogMessage =
  | { readonly kind: 'told'; readonly transaction: Transaction }
  | { readonly kind: 'commit'; readonly end: Lsn }
  | { readonly kind: 'other' };

/** The two messages of pgoutput that matter: 'M' carries text, 'C' ends a transaction at its last position. */
function parse(data: Buffer): LogMessage {
  const tag = String.fromCharCode(data[0] ?? 0);
  if (tag === 'C') return { kind: 'commit', end: lsnFromBits(data.readBigUInt64BE(10)) };
  if (tag !== 'M') return { kind: 'other' };
  const prefixEnd = data.indexOf(0, 10);
  if (data.toString('utf8', 10, prefixEnd) !== 'history') return { kind: 'other' };
  return { kind: 'told', transaction: JSON.parse(data.toString('utf8', prefixEnd + 5)) as Transaction };
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined); // whoever uses it learns of it
  await client.connect();
  return client;
}

/** Lets others go on: the pace of a client that has something else to do. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
