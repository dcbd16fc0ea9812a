import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import type { Cell } from '../../src/core/rows/row.ts';
import { cellsOf } from '../support/cells-of.ts';
import { itemsUntilNow, startFeed, table } from '../support/connector.ts';
import { hasTestServer, type Which } from '../support/postgres.ts';

const SERVERS: readonly Which[] = ['target', 'target15'];

/** Every type of Postgres a table can have, with values whose text is easily changed on the way. */
const VALUES: readonly (readonly [type: string, literals: readonly string[]])[] = [
  ['boolean', ['true', 'false']],
  ['smallint', ['-32768', '32767']],
  ['integer', ['-2147483648']],
  ['bigint', ['9223372036854775807', '-9223372036854775808']],
  ['numeric', ['1e-20', '123456789012345678901234567890.0000000001', 'NaN', 'Infinity', '-0.00']],
  ['numeric(20,5)', ['1', '-99999.123456']],
  ['real', ['1e10', '0.1', 'NaN', '-Infinity', '-0']],
  ['double precision', ['0.1', '1e308', '5e-324', 'Infinity', '-0']],
  ['money', ['-1234.5']],
  ['text', ['', ' ', 'tab\there', 'line\nbreak\r', 'back\\slash', "quo'te", '\\N', 'é€😀', 'a'.repeat(5000)]],
  ['varchar(5)', ['abc']],
  ['char(5)', ['ab']],
  ['"char"', ['x', '\\200']],
  ['name', ['a name']],
  ['bytea', ['\\x', '\\x00ff5c27', '\\x0a0d']],
  ['date', ['2024-02-29', '0044-03-15 BC', 'infinity', '5874897-12-31']],
  ['time', ['24:00:00', '12:34:56.123456']],
  ['timetz', ['12:34:56.123456+05:30']],
  ['timestamp', ['2024-02-29 12:34:56.123456', 'infinity', '-infinity', '0044-03-15 12:00:00 BC']],
  ['timestamptz', ['2024-02-29 12:34:56.123456+05:30', '1800-01-01 00:00:00+00', 'infinity']],
  ['interval', ['1 year 2 mons -3 days 04:05:06.789', '-1 second', '0']],
  ['interval second(2)', ['1.239 seconds']],
  ['uuid', ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']],
  ['json', ['{"b": 1,  "a": 1.10, "a": null}']],
  ['jsonb', ['{"b": 12345678901234567890.10, "a": "\\u00e9\\n"}', 'null', '"x"']],
  ['jsonpath', ['$.a[*] ? (@ > 1)']],
  ['xml', ['<a b="1">x</a>']],
  ['inet', ['192.168.0.1/24', '::1']],
  ['cidr', ['10.0.0.0/8']],
  ['macaddr', ['08:00:2b:01:02:03']],
  ['macaddr8', ['08:00:2b:01:02:03:04:05']],
  ['bit(4)', ['1010']],
  ['bit varying', ['', '10101']],
  ['point', ['(1.5,-2)']],
  ['line', ['{1,2,3}']],
  ['lseg', ['[(0,0),(1,1)]']],
  ['box', ['(1,1),(0,0)']],
  ['path', ['((0,0),(1,1))', '[(0,0),(1,1)]']],
  ['polygon', ['((0,0),(1,1),(1,0))']],
  ['circle', ['<(0,0),0.1>']],
  ['tsvector', ["'a':1A 'b c':2"]],
  ['tsquery', ["'a' & !'b'"]],
  ['pg_lsn', ['16/B374D848']],
  ['txid_snapshot', ['10:20:10,14,15']],
  ['pg_snapshot', ['10:20:10,14,15']],
  ['xid8', ['18446744073709551615']],
  ['oid', ['4294967295']],
  ['xid', ['4294967295']],
  ['cid', ['7']],
  ['tid', ['(1,2)']],
  ['regtype', ['integer']],
  ['regclass', ['pg_class', 'some_table']],
  ['regproc', ['now']],
  ['regrole', ['pg_monitor']],
  ['oidvector', ['1 2 3']],
  ['int2vector', ['1 2 3']],
  ['int4range', ['[1,5)', 'empty', '(,)']],
  ['int8range', ['[1,5]']],
  ['numrange', ['(1.10,2.20]']],
  ['tsrange', ['[2024-01-01,infinity)']],
  ['tstzrange', ['[2024-01-01 00:00:00+02,)']],
  ['daterange', ['[2024-01-01,2024-01-31]']],
  ['int4multirange', ['{[1,2),[5,9)}']],
  ['integer[]', ['{}', '{1,NULL,3}', '[0:1]={1,2}', '{{1,2},{3,4}}']],
  ['text[]', ['{"a,b","","NULL",NULL,"q\\"q","back\\\\slash"}']],
  ['timestamptz[]', ['{"2024-02-29 12:34:56+00"}']],
  ['jsonb[]', ['{"{\\"a\\": 1}"}']],
  ['bytea[]', ['{"\\\\x00ff"}']],
  ['mood', ['sad', 'very happy']],
  ['mood[]', ['{sad,"very happy"}']],
  ['email', ['a@b.c']],
  ['pair', ['(1,"a, ""b""")', '(,)']],
  ['pair[]', ['{"(1,x)"}']],
  ['floatrange', ['[1.5,2.5)']],
];

const SET_UP = [
  `create type mood as enum ('sad', 'very happy')`,
  `create domain email as text check (value like '%@%')`,
  'create type pair as (a int, b text)',
  'create type floatrange as range (subtype = float8)',
  'create table some_table (x int)',
];

describe.each(SERVERS)('the text of a value from %s', (which) => {
  const on = test.skipIf(!hasTestServer(which));

  on(
    'is exactly what its output function prints, in the stream and in the copy, for every type',
    async () => {
      const columns = VALUES.map(([type], index) => `c${index} ${type}`);
      await using feed = await startFeed(
        which,
        [...SET_UP, `create table t (id int primary key, ${columns.join(', ')})`],
        [table('t')],
      );
      // Whatever the database prefers, the text must not follow it.
      const { name } = feed.database;
      await feed.database.query(`alter database ${name} set datestyle to 'SQL, DMY'`);
      await feed.database.query(`alter database ${name} set timezone to 'Asia/Kolkata'`);
      await feed.database.query(`alter database ${name} set intervalstyle to 'iso_8601'`);
      await feed.database.query(`alter database ${name} set bytea_output to 'escape'`);
      await feed.database.query(`alter database ${name} set extra_float_digits to -5`);
      const rows = Math.max(...VALUES.map(([, literals]) => literals.length));
      for (let row = 0; row < rows; row += 1) {
        const cells = VALUES.map(([, literals]) => literals[row] ?? null);
        const marks = cells.map((_, index) => `$${index + 2}`);
        await feed.database.query(`insert into t values ($1, ${marks.join(', ')})`, [row, ...cells]);
      }
      const names = VALUES.map((_, index) => `c${index}`);
      const expected = await textOf((sql) => feed.database.query(sql), names);

      const stop = new AbortController();
      const stream = await feed.connector.open(feed.start, null, stop.signal);
      const items = await itemsUntilNow(feed, stream);
      const streamed = items.flatMap((item) =>
        item.kind === 'insert' ? [cellsOf(item.after).slice(1)] : [],
      );
      const snapshot = await feed.connector.snapshot(stop.signal);
      const copied = parseCopy(await text(await snapshot.copy({ table: table('t'), columns: names })));
      await snapshot.close();
      stop.abort();

      const byType = (cells: readonly Cell[][]): string[] =>
        VALUES.map(([type], index) => `${type}: ${JSON.stringify(cells.map((row) => row[index]))}`);
      expect(byType(streamed)).toEqual(byType(expected));
      expect(byType(copied)).toEqual(byType(expected));
    },
  );
});

type Query = (sql: string) => Promise<{ readonly rows: readonly Record<string, unknown>[] }>;

/**
 * What the output functions print on a session with our settings, in one row each. A cast to text is not always the
 * same: it says `true` for a boolean, adds the mask of an address and takes the blanks of a char(n) away.
 */
async function textOf(query: Query, names: readonly string[]): Promise<(string | null)[][]> {
  const cells = names
    .map(
      (name) =>
        `case when (t.${name} is null) is false or t.${name}::text is not null then format('%s', t.${name}) end`,
    )
    .join(', ');
  const settings =
    `set local datestyle = 'ISO'; set local timezone = 'UTC'; set local intervalstyle = 'postgres'; ` +
    `set local bytea_output = 'hex'; set local extra_float_digits = 3`;
  const answer: unknown = await query(
    `begin; ${settings}; select array[${cells}] as row from t order by id; commit`,
  );
  if (!Array.isArray(answer)) throw new Error('one statement only');
  const selected = answer.find((each: { command: string }) => each.command === 'SELECT');
  return selected.rows.map((each: { row: (string | null)[] }) => each.row);
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** COPY's text format, read back. */
function parseCopy(output: string): (string | null)[][] {
  const lines = output.split('\n').slice(0, -1);
  return lines.map((line) => line.split('\t').map((cell) => (cell === '\\N' ? null : unescape(cell))));
}

function unescape(cell: string): string {
  return cell.replaceAll(/\\(.)/gs, (_, letter: string) => ESCAPES[letter] ?? letter);
}
