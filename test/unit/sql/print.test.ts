import { expect, test } from 'vitest';
import { printStatement, printTogether } from '../../../src/sql/print.ts';
import {
  concatenated,
  constant,
  identifier,
  parameter,
  type Sql,
  separated,
  sql,
  syntax,
  typedParameter,
} from '../../../src/sql/sql.ts';

test('names and constants of users are quoted, whatever they hold', () => {
  const name = identifier(`a"b'c\\`);
  const value = constant(`it's "x" \\ $1`);
  expect(printStatement(sql`select ${value} as ${name}`).text).toBe(
    `select  E'it''s "x" \\\\ $1' as "a""b'c\\"`,
  );
});

test('a name with a zero byte never reaches a statement', () => {
  expect(() => printStatement(identifier('a\0b'))).toThrow('zero byte');
});

test('one value used twice is one parameter', () => {
  const [id, rows] = [
    parameter({ kind: 'plan', index: 3 }),
    parameter({ kind: 'fetched', table: 1, column: 0 }),
  ];
  expect(printStatement(sql`${id} ${rows} ${id}`)).toEqual({
    text: '$1 $2 $1',
    parameters: [
      { kind: 'plan', index: 3 },
      { kind: 'fetched', table: 1, column: 0 },
    ],
  });
});

test('neighbouring constants are written as one', () => {
  const text = concatenated([constant('{'), constant('"a":'), syntax('t1.a'), constant('}'), constant(']')]);
  expect(printStatement(text).text).toBe(`'{"a":' || t1.a || '}]'`);
});

test('fixed text, and what stands between the parts of a list, are no pieces of their own', () => {
  const columns = ['a', 'b', 'c'].map((name) => sql`t1.${identifier(name)}::text`);
  const list = separated(columns, ', ');
  expect(printStatement(sql`select ${list} from t1`).text).toBe(
    'select t1."a"::text, t1."b"::text, t1."c"::text from t1',
  );
  expect(piecesIn(sql`select ${list} from t1`)).toBe(2 + 2 * columns.length);
});

function piecesIn(piece: Sql): number {
  const inner = 'holes' in piece ? piece.holes : 'parts' in piece ? piece.parts : [];
  return inner.reduce((sum, one) => sum + piecesIn(one), 1);
}

test('many requests together are rows of arrays, one for each value', () => {
  const id = (type: string): Sql => typedParameter({ kind: 'plan', index: 3 }, syntax(type));
  const name = typedParameter({ kind: 'plan', index: 0 }, identifier('Name'));
  const other = typedParameter({ kind: 'plan', index: 5 }, syntax('uuid'));
  const where = sql` where ${other} is not null`;
  expect(printTogether(sql`${id('int4')}, ${name}, ${id('int8')}`, where)).toBe(
    'select asked.p1::int4, asked.p2::"Name", asked.p1::int8, asked.n from unnest($1::int4[], $2::"Name"[], $3::uuid[]) with ordinality asked(p1, p2, p3, n) where asked.p3::uuid is not null',
  );
});
