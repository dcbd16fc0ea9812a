import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Stop } from '../../src/core/waiting/stop-signal.ts';
import { PostgresError, RowTooLarge } from '../../src/read/wire/failure.ts';
import type { WirePool } from '../../src/read/wire/pool.ts';
import { poll } from '../support/poll.ts';
import { ask, failure, WireRig } from '../support/wire-rig.ts';

let rig: WireRig;

beforeAll(async () => {
  rig = await WireRig.make([]);
});

beforeEach(() => rig.closePools());

afterAll(() => rig.drop());

const LOOK_UP = {
  text: 'select (10 / $1::int4)::text',
  together: {
    text: 'select (10 / asked.p1::int4)::text, asked.n from unnest($1::int4[]) with ordinality asked(p1, n)',
    isLookUp: true,
  },
};
const prepared = `select string_agg(statement, ';' order by statement) from pg_prepared_statements where statement like 'select (10 /%'`;

test('look-ups of one turn share an execution, each with its own answer', async () => {
  const pool = rig.open();
  const asked = ['1', '2', null, '5'].map((value) => pool.row(LOOK_UP, [value], new Stop()));
  const rows = await Promise.all(asked);
  expect(rows.map(([cell]) => cell?.toString())).toEqual(['10', '5', undefined, '2']);
  expect(await ask(pool, prepared)).toBe(LOOK_UP.together.text);
  expect((await pool.row(LOOK_UP, ['1'], new Stop()))[0]?.toString()).toBe('10');
  expect(await ask(pool, prepared)).toBe([LOOK_UP.text, LOOK_UP.together.text].join(';'));
});

test('a look-up that fails or is given up leaves the others of its turn their answers', async () => {
  const pool = rig.open();
  const stop = new Stop();
  const [division, syntax] = ['0', 'x'].map((value) => failure(pool.row(LOOK_UP, [value], new Stop())));
  const good = pool.row(LOOK_UP, ['2'], new Stop());
  const given = failure(pool.row(LOOK_UP, ['1'], stop));
  stop.abort(new Error('client gone'));
  expect(await division).toMatchObject({ state: '22012' });
  expect(await syntax).toMatchObject({ state: '22P02' });
  expect(String((await good)[0])).toBe('5');
  expect(await given).toMatchObject({ message: 'client gone' });
});

/** A request that is made, and the outcome that it must have; or it is given up after so many milliseconds. */
interface Request {
  readonly does: 'answer' | 'look up' | 'wait' | 'fail' | 'be no SQL' | 'be long';
  /** The statement that it shares with others: more than stay prepared. */
  readonly text: number;
  readonly leavesAfterMs: number | null;
}

/** The outcome of one, named by its number, which no other has. */
async function outcome(pool: WirePool, { does, text, leavesAfterMs }: Request, n: number): Promise<string> {
  const signal = new Stop();
  const leave = (): void => signal.abort(new Error(`gone ${n}`));
  if (leavesAfterMs === 0) setImmediate(leave);
  else if (leavesAfterMs !== null) setTimeout(leave, leavesAfterMs);
  const run = async (sql: string): Promise<string> =>
    String((await pool.run(`${sql} /* ${text} */`, [String(n)], { prepared: true, signal }))[0]?.[0]);
  try {
    switch (does) {
      case 'answer':
        return await run('select $1::text');
      case 'look up':
        return String((await pool.row(ECHO, [String(n)], signal))[0]);
      case 'wait':
        return await run('select $1::text from pg_sleep(0.003)');
      case 'fail':
        return await run('select ($1::text || $$ is no number$$)::int4');
      case 'be no SQL':
        return await run('select $1::text, nothing');
      default:
        return await run('select repeat($1::text, 100000)');
    }
  } catch (error) {
    return error instanceof RowTooLarge ? 'too long' : String(error);
  }
}

const ECHO = {
  text: 'select $1::text',
  together: { text: 'select p1, n from unnest($1::text[]) with ordinality asked(p1, n)', isLookUp: true },
};

/** Whom cancel requests hit again and again waits for a session of its own. */
const PATIENT = { loans: () => 2, loanTimeoutMs: 60_000, connectTimeoutMs: 60_000 };

const OUTCOMES: Readonly<Record<Request['does'], (n: number) => string>> = {
  answer: String,
  'look up': String,
  wait: String,
  fail: (n) => `PostgresError: invalid input syntax for type integer: "${n} is no number"`,
  'be no SQL': () => 'PostgresError: column "nothing" does not exist',
  'be long': () => 'too long',
};

test('whatever is asked, fails and is given up at once, each request has its own outcome', async () => {
  const request = fc.record({
    does: fc.constantFrom(...(Object.keys(OUTCOMES) as Request['does'][])),
    text: fc.nat(4),
    leavesAfterMs: fc.option(fc.nat(8)),
  });
  const waves = fc.array(fc.array(request, { minLength: 1, maxLength: 20 }), { minLength: 3, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(waves, async (requests) => {
      const pool = rig.open({ ...PATIENT, size: 2, rowLimit: 50_000 });
      let n = 1000;
      const all: Promise<void>[] = [];
      for (const wave of requests) {
        const some = wave.map(async (one) => {
          n += 1;
          const [own, number] = [OUTCOMES[one.does](n), n];
          const allowed = one.leavesAfterMs === null ? [own] : [own, `Error: gone ${number}`];
          expect(allowed).toContain(await outcome(pool, one, number));
        });
        all.push(...some);
        await Promise.race(some);
      }
      await Promise.all(all);
      await rig.closePools();
    }),
    { numRuns: 10 },
  );
});

const LIST = {
  text: `select (select string_agg(i::text, ',' order by i) from generate_series(1, 4 / $1::int4) i)`,
  together: {
    text: `select (select string_agg(i::text, ',' order by i) from generate_series(1, 4 / p1::int4) i), n from unnest($1::int4[]) with ordinality asked(p1, n)`,
    isLookUp: false,
  },
};

/** Whether a session has run nothing since. */
async function ranLast(text: string): Promise<boolean> {
  const { rows } = await rig.database.query(
    `select from pg_stat_activity where datname = current_database() and query = $1`,
    [text],
  );
  return rows.length > 0;
}

test('lists of one turn share an execution once the database has said that they are little work', async () => {
  const pool = rig.open();
  const cells = (values: readonly string[]): Promise<(string | undefined)[]> =>
    Promise.all(
      values.map(async (value) =>
        pool.row(LIST, [value], new Stop()).then(
          ([cell]) => cell?.toString(),
          (error: unknown) => (error instanceof PostgresError ? error.state : String(error)),
        ),
      ),
    );
  const together = (): Promise<boolean> => ranLast(LIST.together.text);
  expect(await cells(['1', '2', '8'])).toEqual(['1,2,3,4', '1,2', undefined]);
  expect(await together()).toBe(false);
  await poll('an execution for several', async () => {
    expect(await cells(['1', '2', '8'])).toEqual(['1,2,3,4', '1,2', undefined]);
    return together();
  });
  // The first has its row before the second fails, the others ask again.
  expect(await cells(['1', '0', '4'])).toEqual(['1,2,3,4', '22012', '1']);
  expect(await together()).toBe(false);
});

test('lists that were slow together again and again go alone', async () => {
  const pool = rig.open();
  const slow = {
    text: 'select pg_sleep(0.01 * $1::int4)::text',
    together: {
      text: 'select pg_sleep(0.01 * p1::int4)::text, n from unnest($1::int4[]) with ordinality asked(p1, n)',
      isLookUp: false,
    },
  };
  const together = async (): Promise<boolean> => {
    // What one takes alone is what these take: had the machine stood still while others went alone, nothing would be slow beside.
    for (let i = 0; i < 4; i += 1) await pool.row(slow, ['1'], new Stop());
    await Promise.all(Array.from({ length: 16 }, () => pool.row(slow, ['1'], new Stop())));
    return ranLast(slow.together.text);
  };
  await poll('an execution for many', together);
  await poll('each to go alone', async () => !(await together()));
});

test.each([
  ['all of whom have gone', []],
  // Before Postgres 17 the end of a row may wait in the server for more to be sent.
  ['the first of whom has its row', ['0', '0']],
])('look-ups that nobody waits for any more, %s, end on the server', async (_, quick) => {
  const pool = rig.open({ statementTimeoutMs: 600_000 });
  await ask(pool, 'select 1');
  const slow = {
    text: 'select pg_sleep($1::float8)::text',
    together: {
      // A long row is sent before the next is there.
      text: `select pg_sleep(p1::float8)::text || repeat(' ', 20000), n from unnest($1::text[]) with ordinality asked(p1, n)`,
      isLookUp: true,
    },
  };
  const clients = [...quick, '600', '600'].map((value) => {
    const stop = new Stop();
    const row = pool.row(slow, [value], stop);
    row.catch(() => undefined);
    return { stop, row };
  });
  await poll('the statement to run', async () => (await rig.running()) === 1);
  if (quick.length > 0) await clients[0]?.row;
  for (const { stop } of clients) stop.abort(new Error('client gone'));
  for (const { row } of clients.slice(quick.length)) await expect(row).rejects.toThrow('client gone');
  await poll('the statement to end', async () => (await rig.running()) === 0);
});
