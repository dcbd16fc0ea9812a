import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Stop } from '../../src/core/waiting/stop-signal.ts';
import { PostgresError } from '../../src/read/wire/failure.ts';
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

test('lists that were slow together go alone', async () => {
  const pool = rig.open();
  const slow = {
    text: 'select pg_sleep(0.06 * $1::int4)::text',
    together: {
      text: 'select pg_sleep(0.06 * p1::int4)::text, n from unnest($1::int4[]) with ordinality asked(p1, n)',
      isLookUp: false,
    },
  };
  const together = async (): Promise<boolean> => {
    await Promise.all(['1', '1'].map((value) => pool.row(slow, [value], new Stop())));
    return ranLast(slow.together.text);
  };
  await poll('an execution for two', together);
  expect(await together()).toBe(false);
});

test('look-ups that everybody has given up end on the server', async () => {
  const pool = rig.open();
  await ask(pool, 'select 1');
  const slow = {
    text: 'select pg_sleep($1::float8)::text',
    together: {
      text: 'select pg_sleep(p1::float8)::text, n from unnest($1::text[]) with ordinality asked(p1, n)',
      isLookUp: true,
    },
  };
  const stops = [new Stop(), new Stop()];
  const asked = stops.map((stop) => failure(pool.row(slow, ['30'], stop)));
  await poll('the statement to run', async () => (await rig.running()) === 1);
  for (const stop of stops) stop.abort(new Error('client gone'));
  for (const given of asked) expect(await given).toMatchObject({ message: 'client gone' });
  await poll('the statement to end', async () => (await rig.running()) === 0);
});
