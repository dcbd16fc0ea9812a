import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Stop } from '../../src/core/waiting/stop-signal.ts';
import { ConnectionLost, PostgresError, RequestTooLarge, RowTooLarge } from '../../src/read/wire/failure.ts';
import { poll } from '../support/poll.ts';
import { testServer } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';
import { ask, failure, firstAnswer, PLAIN, WireRig } from '../support/wire-rig.ts';

let rig: WireRig;

beforeAll(async () => {
  rig = await WireRig.make([
    'create table t (id int primary key, name text)',
    `insert into t values (1, 'Ä')`,
  ]);
});

beforeEach(() => rig.closePools());

afterAll(() => rig.drop());

test('values are read and printed the same way, whatever the database says of dates, zones and money', async () => {
  await rig.database.query(
    `do $$ begin
      execute format('alter database %I set DateStyle = ''SQL, DMY''', current_database());
      execute format('alter database %I set TimeZone = ''Asia/Tokyo''', current_database());
      execute format('alter database %I set lc_monetary = ''POSIX''', current_database());
      execute format('alter database %I set array_nulls = off', current_database());
      execute format('alter database %I set xmloption = document', current_database());
      execute format('alter database %I set standard_conforming_strings = off', current_database());
      execute format('alter database %I set default_transaction_isolation = serializable', current_database());
      execute format('alter database %I set idle_in_transaction_session_timeout = 1000', current_database());
      execute format('alter database %I set lock_timeout = 1000', current_database());
    end $$`,
  );
  const settings = `select current_setting('DateStyle') || '; ' || current_setting('TimeZone') || '; ' || current_setting('lc_monetary')`;
  expect(await ask(rig.open(), settings)).toBe('ISO, MDY; UTC; C');
  const asUsual = `select concat_ws(' ', '{NULL}'::text[] = array[null::text], length('\\'), '<a/>b'::xml, current_setting('transaction_isolation'))`;
  expect(await ask(rig.open(), asUsual)).toBe('t 1 <a/>b read committed');
  expect(await ask(rig.open(), `select ('02/03/2024'::date)::text`)).toBe('2024-02-03');
  const limits = `select current_setting('idle_in_transaction_session_timeout') || current_setting('lock_timeout')`;
  expect(await ask(rig.open(), limits)).toBe('00');
});

test('the server process of a session keeps the memory that it has used', async () => {
  const plain = new pg.Client({ connectionString: rig.database.url });
  await plain.connect();
  try {
    const without = await faults(async (text) => String((await plain.query(text)).rows[0]?.value));
    const pool = rig.open();
    const kept = await faults((text) => ask(pool, text));
    // An allocator that keeps everything by itself has nothing to gain.
    expect(kept).toBeLessThanOrEqual(Math.max(without / 4, 10));
  } finally {
    await plain.end();
  }
});

/** Page faults of the server process for each execution of a statement that sorts; 0 where the system does not tell. */
async function faults(run: (text: string) => Promise<string | null>): Promise<number> {
  const pid = await run('select pg_backend_pid()::text as value');
  const soFar = async (): Promise<number> => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    return stat === null ? 0 : Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[7]);
  };
  const sort = 'select count(distinct (i, i))::text as value from generate_series(1, 5000) i';
  for (let first = 0; first < 5; first += 1) await run(sort);
  const before = await soFar();
  for (let again = 0; again < 10; again += 1) await run(sort);
  return ((await soFar()) - before) / 10;
}

test('cells come back undecoded, null as null, values go out as text', async () => {
  const pool = rig.open();
  const rows = await pool.run(
    'select name, null, $1::int8 + 1, $2::text from t',
    ['9007199254740993', null],
    PLAIN,
  );
  expect(rows.map((row) => row.map((cell) => cell?.toString('utf8') ?? null))).toEqual([
    ['Ä', null, '9007199254740994', null],
  ]);
});

test('requests sent at once on one session are answered each with its own answer, errors included', async () => {
  const pool = rig.open();
  await ask(pool, 'select 1');
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, i) =>
      i % 7 === 3
        ? failure(ask(pool, 'select 1 / $1::int', ['0']))
        : ask(pool, 'select $1::text', [String(i)]),
    ),
  );
  answers.forEach((answer, i) => {
    if (i % 7 === 3) expect(answer).toMatchObject({ state: '22012' });
    else expect(answer).toBe(String(i));
  });
});

test('a statement that cannot be parsed fails every request that shares it, and a later good one works', async () => {
  const pool = rig.open();
  await ask(pool, 'select 1');
  const all = await Promise.all(
    Array.from({ length: 5 }, () => failure(ask(pool, 'select nothing_like_it'))),
  );
  expect(all).toEqual(all.map(() => expect.objectContaining({ state: '42703' })));
  expect(await ask(pool, 'select 2')).toBe('2');
});

test('no more statements stay prepared than allowed, and evicted ones work again', async () => {
  const pool = rig.open();
  for (let i = 0; i < 8; i += 1) expect(await ask(pool, `select ${i}`)).toBe(String(i));
  expect(Number(await ask(pool, 'select count(*) from pg_prepared_statements'))).toBeLessThanOrEqual(3);
  expect(await ask(pool, 'select 0')).toBe('0');
});

test('nor more of long ones than are worth keeping', async () => {
  const pool = rig.open({ statementLimit: 100 });
  const filling = 'x'.repeat(400_000);
  for (let i = 0; i < 4; i += 1) expect(await ask(pool, `select ${i} /* ${filling} */`)).toBe(String(i));
  expect(await ask(pool, 'select count(*) from pg_prepared_statements')).toBe('3');
  expect(await ask(pool, `select 1 /* ${'x'.repeat(2_000_000)} */`)).toBe('1');
  expect(await ask(pool, 'select count(*) from pg_prepared_statements')).toBe('1');
});

test('an answer of ten megabytes arrives whole', async () => {
  const pool = rig.open();
  const text = await ask(pool, `select string_agg(md5(g::text), '') from generate_series(1, 320000) g`);
  expect(text?.length).toBe(10_240_000);
});

test('a row over the limit is refused while the session goes on', async () => {
  const pool = rig.open({ rowLimit: 100_000 });
  const before = await ask(pool, 'select pg_backend_pid()');
  const [refused, next] = await Promise.all([
    failure(ask(pool, `select repeat('x', 5000000)`)),
    ask(pool, 'select 7'),
  ]);
  expect(refused).toBeInstanceOf(RowTooLarge);
  expect(next).toBe('7');
  expect(await ask(pool, 'select pg_backend_pid()')).toBe(before);
});

test.each([
  ['many', Array<string>(65_536).fill('1')],
  ['long', Array<string>(4).fill('x'.repeat(100_000_000))],
])('a request of too %s values fails alone: those behind it have their own answers', async (_, values) => {
  const pool = rig.open();
  await ask(pool, 'select 1');
  const [refused, ...others] = await Promise.all([
    failure(ask(pool, 'select 2', values)),
    ...['a', 'b', 'c'].map((value) => ask(pool, 'select $1::text', [value])),
  ]);
  expect(refused).toBeInstanceOf(RequestTooLarge);
  expect(others).toEqual(['a', 'b', 'c']);
  expect(await ask(pool, 'select 2')).toBe('2');
});

test('an aborted request ends on the server and the requests behind it are answered', async () => {
  const pool = rig.open();
  await ask(pool, 'select 1');
  const abort = new AbortController();
  const slow = failure(ask(pool, 'select pg_sleep(30)::text', [], abort.signal));
  const behind = Array.from({ length: 5 }, (_, i) => ask(pool, 'select $1::text', [String(i)]));
  await poll('the statement to run', async () => (await rig.running()) === 1);
  abort.abort(new Error('client gone'));
  expect(await slow).toMatchObject({ message: 'client gone' });
  expect(await Promise.all(behind)).toEqual(['0', '1', '2', '3', '4']);
  expect(await rig.running()).toBe(0);
});

test('a cancel request that comes late does not end what the session runs by then', async () => {
  await using proxy = await startProxy(testServer('source'));
  const pool = rig.open({ url: proxy.through(rig.database.url) });
  const abort = new AbortController();
  const [first, second] = [await held(7), await held(8)];
  const given = failure(ask(pool, first.text, [], abort.signal));
  await poll('the statement to run', async () => (await rig.running(first.text)) === 1);
  proxy.hold();
  abort.abort(new Error('client gone'));
  expect(await given).toMatchObject({ message: 'client gone' });
  await first.release();
  const text = `${second.text} || $1`;
  const next = ask(pool, text, ['next']);
  await poll('the next statement to run', async () => (await rig.running(text)) === 1);
  const before = await begun(text);
  proxy.letGo();
  await Promise.race([next, poll('it to be asked again', async () => (await begun(text)) !== before)]);
  await second.release();
  expect(await next).toBe('next');
});

test('of many requests that are given up at once two are cancelled at a time, and none that has ended meanwhile', async () => {
  await using proxy = await startProxy(testServer('source'));
  const pool = rig.open({ url: proxy.through(rig.database.url), loans: () => 5 });
  const loans = await Promise.all(Array.from({ length: 5 }, () => pool.borrow(null)));
  /** All of what was connected before has come to the proxy when this has. */
  const cancelsMade = async (probes: number): Promise<number> => {
    connect(proxy.port, '127.0.0.1').on('error', () => undefined);
    await poll('a connection made later', async () => proxy.connectionsMade >= 5 + probes + 2);
    return proxy.connectionsMade - 5 - probes;
  };
  const giveUp = async (text: string): Promise<void> => {
    const stop = new Stop();
    const given = loans.map(({ connection }) =>
      failure(connection.run(text, [], { ...PLAIN, signal: stop })),
    );
    await poll('the statements to run', async () => (await rig.running(text)) === 5);
    proxy.hold();
    stop.abort(new Error('client gone'));
    await Promise.all(given);
  };
  const { text, release } = await held();
  await giveUp(text);
  expect(await cancelsMade(1)).toBe(2);
  await release();
  await poll('them to end', async () => (await rig.running(text)) === 0);
  proxy.letGo();
  await poll('the cancel requests to be over', async () =>
    loans.every(({ connection }) => connection.isIdle),
  );
  expect(await cancelsMade(2)).toBe(2);
  await giveUp('select pg_sleep(30)::text');
  proxy.letGo();
  await poll('all of them to be cancelled', async () => (await rig.running()) === 0);
  for (const loan of loans) loan.release();
});

/** When the statement that runs was begun. */
async function begun(text: string): Promise<string | undefined> {
  const { rows } = await rig.database.query<{ at: string }>(
    `select query_start::text as at from pg_stat_activity where state = 'active' and query = $1 and datname = current_database()`,
    [text],
  );
  return rows[0]?.at;
}

test('a request aborted before its turn never delays the others', async () => {
  const pool = rig.open();
  await ask(pool, 'select 1');
  const abort = new AbortController();
  const first = ask(pool, 'select $1::text', ['first']);
  const slow = failure(ask(pool, 'select pg_sleep(30)::text', [], abort.signal));
  const last = ask(pool, 'select $1::text', ['last']);
  abort.abort(new Error('gone'));
  expect([await first, await slow, await last]).toEqual([
    'first',
    expect.objectContaining({ message: 'gone' }),
    'last',
  ]);
});

/** A statement that ends when the lock is given up, and the giving up. */
async function held(lock = 7): Promise<{ readonly text: string; readonly release: () => Promise<void> }> {
  const holder = new pg.Client({ connectionString: rig.database.url });
  await holder.connect();
  await holder.query(`select pg_advisory_lock(${lock})`);
  return { text: `select pg_advisory_xact_lock(${lock})::text`, release: () => holder.end() };
}

test('what no session can take at once goes to the one that is free first', async () => {
  const pool = rig.open({ size: 2 });
  await poll('two sessions to be open', async () => {
    const pids = await Promise.all(Array.from({ length: 4 }, () => ask(pool, 'select pg_backend_pid()')));
    return new Set(pids).size === 2;
  });
  const { text, release } = await held();
  const slow = ask(pool, text);
  let answered = 0;
  const quick = Array.from({ length: 10 }, async (_, i) => {
    expect(await ask(pool, 'select $1::text', [String(i)])).toBe(String(i));
    answered += 1;
  });
  // Two were on their way to the slow session already.
  await poll('the others to be answered', async () => answered === 8);
  await release();
  await Promise.all([slow, ...quick]);
});

test('a request that waits for a session may be given up, and one that waits when the pool retires is answered', async () => {
  const pool = rig.open();
  await ask(pool, 'select 1');
  const { text, release } = await held();
  const [slow, behind] = [ask(pool, text), ask(pool, 'select 2')];
  const abort = new AbortController();
  const given = failure(ask(pool, 'select 3', [], abort.signal));
  const waiting = ask(pool, 'select 4');
  abort.abort(new Error('gone'));
  expect(await given).toMatchObject({ message: 'gone' });
  expect(await failure(ask(pool, 'select 3', [], abort.signal))).toMatchObject({ message: 'gone' });
  const retired = pool.retire();
  await release();
  expect(await Promise.all([slow, behind, waiting])).toEqual(['', '2', '4']);
  await retired;
});

test('requests that wait for a session go on when it breaks, and fail when the pool is closed', async () => {
  const pool = rig.open();
  const pid = await ask(pool, 'select pg_backend_pid()');
  const { text, release } = await held();
  const [slow, second, bound, third, fourth] = [text, 'select 2', 'select 9', 'select 3', 'select 4'].map(
    (query) => ask(pool, query),
  );
  await rig.database.query(`select pg_terminate_backend(${pid})`);
  expect(await Promise.all([third, fourth])).toEqual(['3', '4']);
  const last = failure(Promise.all([ask(pool, 'select 5'), ask(pool, 'select 6')]));
  const stopped = failure(Promise.all([slow, second, bound]));
  const closed = pool.close();
  expect(await last).toBeInstanceOf(ConnectionLost);
  expect(await stopped).toBeInstanceOf(ConnectionLost);
  await release();
  await closed;
});

test('a request hears when those before it have been answered', async () => {
  const pool = rig.open();
  await ask(pool, 'select 1');
  const heard: string[] = [];
  const first = pool.run('select pg_sleep(0.01)', [], { ...PLAIN, onTurn: () => heard.push('first') });
  const second = pool.run('select 1', [], { ...PLAIN, onTurn: () => heard.push('second') });
  expect(heard).toEqual(['first']);
  await first;
  expect(heard).toEqual(['first', 'second']);
  await second;
});

test('a session whose network has gone without a word is given up once somebody has waited long enough', async () => {
  await using proxy = await startProxy(testServer('source'));
  const pool = rig.open({ url: proxy.through(rig.database.url), silenceMs: 300, connectTimeoutMs: 300 });
  const before = await firstAnswer(pool, 'select pg_backend_pid()::text');
  proxy.setMode('black-hole');
  const stop = new AbortController();
  const asked = failure(ask(pool, 'select 1::text', [], stop.signal));
  stop.abort(new Error('waited long enough'));
  expect(await asked).toMatchObject({ message: 'waited long enough' });
  // Behind it on the same session: repeated on another one, which does not come about either.
  expect(await failure(ask(pool, 'select 2::text'))).toBeInstanceOf(ConnectionLost);
  proxy.setMode('forward');
  expect(await firstAnswer(pool, 'select pg_backend_pid()::text')).not.toBe(before);
});

test('a statement over its time-out fails with the reason', async () => {
  const pool = rig.open({ statementTimeoutMs: 500 });
  expect(await failure(ask(pool, 'select pg_sleep(60)::text'))).toMatchObject({
    state: '57014',
    bystander: false,
  });
});

test('a session killed while it lay idle is replaced unnoticed', async () => {
  const pool = rig.open();
  const pid = await ask(pool, 'select pg_backend_pid()');
  await rig.database.query('select pg_terminate_backend($1)', [Number(pid)]);
  expect(await ask(pool, 'select 5')).toBe('5');
});

test('requests on a session killed in mid-query are repeated once on another', async () => {
  const pool = rig.open();
  await ask(pool, 'select 1');
  const { text, release } = await held();
  const [once, twice] = [`${text} || pg_backend_pid()`, `${text} || 'twice'`];
  const kill = async (running: string, times: number): Promise<void> => {
    const killed: number[] = [];
    await poll('the statement to run, and to be killed', async () => {
      const { rows } = await rig.database.query<{ pid: number }>(
        `select pid, pg_terminate_backend(pid) from pg_stat_activity
         where query = $1 and state = 'active' and pid <> all($2)`,
        [running, killed],
      );
      killed.push(...rows.map(({ pid }) => pid));
      return killed.length === times;
    });
  };
  const lost = failure(ask(pool, twice));
  await kill(twice, 2);
  expect(await lost).toBeInstanceOf(ConnectionLost);
  const slow = ask(pool, once);
  await kill(once, 1);
  await release();
  expect(await slow).toMatch(/^\d+$/);
});

test('one that Postgres refuses is not repeated', async () => {
  const pool = rig.open();
  let times = 0;
  const onTurn = (): void => {
    times += 1;
  };
  expect(await failure(pool.run('select 1/0', [], { ...PLAIN, onTurn }))).toMatchObject({ state: '22012' });
  expect(times).toBe(1);
});

test('while many clients go away, nobody else’s requests end with theirs', async () => {
  // Whom cancel requests hit again and again waits for a session of its own.
  const pool = rig.open({ size: 2, loanTimeoutMs: 60_000 });
  const short = 'select pg_sleep(0.003)::text';
  let isOver = false;
  const leaveEarly = async (): Promise<void> => {
    for (let turn = 0; !isOver; turn += 1) {
      const stop = new Stop();
      const timer = setTimeout(() => stop.abort(new Error('gone')), turn % 12);
      await pool.run(short, [], { ...PLAIN, signal: stop }).catch(() => undefined);
      clearTimeout(timer);
    }
  };
  const stay = async (): Promise<void> => {
    for (let turn = 0; turn < 25; turn += 1) await pool.run(short, [], PLAIN);
  };
  const leaving = Array.from({ length: 8 }, leaveEarly);
  try {
    await Promise.all(Array.from({ length: 4 }, stay));
  } finally {
    isOver = true;
    await Promise.all(leaving);
  }
});

test('a loan keeps a transaction to itself, and a broken one is not handed on', async () => {
  const pool = rig.open();
  const loan = await pool.borrow(null);
  const pid = async (): Promise<string> => {
    const rows = await loan.connection.run('select pg_backend_pid()', [], PLAIN);
    return rows[0]?.[0]?.toString() ?? '';
  };
  await loan.connection.run('begin', [], PLAIN);
  const first = await pid();
  const waiting = pool.borrow(null);
  loan.release();
  const second = await waiting;
  const rows = await second.connection.run('select pg_backend_pid()', [], PLAIN);
  expect(rows[0]?.[0]?.toString()).not.toBe(first);
  expect(await failure(pool.borrow(null))).toBeInstanceOf(ConnectionLost);
  const stop = new Stop();
  const stopped = failure(pool.borrow(stop));
  stop.abort(new Error('time is up'));
  expect(await stopped).toBe(stop.reason);
  second.release();
});

test('what a session still runs when it is given back or its pool closes is cancelled', async () => {
  const pool = rig.open({ loans: () => 4, statementTimeoutMs: 600_000 });
  const loans = await Promise.all(Array.from({ length: 4 }, () => pool.borrow(null)));
  const given = loans.map(({ connection }) => failure(connection.run('select pg_sleep(600)', [], PLAIN)));
  const own = failure(ask(pool, 'select pg_sleep(600)'));
  await poll('the statements to run', async () => (await rig.running()) === 5);
  for (const loan of loans) loan.release();
  expect(await Promise.all(given)).toEqual(given.map(() => expect.any(ConnectionLost)));
  await poll('them to be cancelled', async () => (await rig.running()) === 1);
  await pool.close();
  expect(await own).toBeInstanceOf(ConnectionLost);
  expect(await rig.running()).toBe(0);
});

test('a session that is being made when its pool is closed serves nobody', async () => {
  const pool = rig.open();
  const asked = failure(ask(pool, 'select 1'));
  await pool.close();
  expect(await asked).toMatchObject({ message: 'the pool is closed' });
});

test('a database that refuses says so at once and again', async () => {
  const pool = rig.open({ url: rig.database.url.replace(/\/[^/]*$/, '/no_such_database') });
  expect(await failure(ask(pool, 'select 1'))).toBeInstanceOf(ConnectionLost);
  expect(await failure(ask(pool, 'select 1'))).toMatchObject({ cause: { code: '3D000' } });
});

test('a prepared statement whose result changed its type is prepared again', async () => {
  const pool = rig.open();
  await rig.database.query('create table changing as select 1 as a');
  expect(await ask(pool, 'select * from changing')).toBe('1');
  await rig.database.query(`alter table changing alter a type text using 'now text'`);
  expect(await ask(pool, 'select * from changing')).toBe('now text');
});

test('every session writes values the same way', async () => {
  const pool = rig.open();
  const settings = `select string_agg(current_setting(n), ' ' order by n) from unnest(array['TimeZone', 'DateStyle',
    'IntervalStyle', 'bytea_output', 'jit', 'plan_cache_mode']) n`;
  expect(await ask(pool, settings)).toContain('force_generic_plan');
  expect(await failure(ask(pool, 'select 1/0'))).toBeInstanceOf(PostgresError);
});
