import { expect, test } from 'vitest';
import type { ColumnType } from '../../../../src/catalog/catalog.ts';
import { encodeScalar } from '../../../../src/plan/value/encode.ts';
import { EnumText, NumberText } from '../../../../src/plan/value/input.ts';
import { parseJsonPath } from '../../../../src/plan/value/json-path.ts';
import { scalarText } from '../../../../src/plan/value/scalar-text.ts';
import { scientific } from '../../../../src/plan/value/scientific.ts';

const typed = (name: string): ColumnType => ({
  oid: 0,
  name,
  schema: 'pg_catalog',
  sql: name,
  kind: 'base',
  category: 'U',
  element: null,
  scalar: name,
});

const listOf = (element: ColumnType): ColumnType => ({
  ...typed(`_${element.name}`),
  sql: `${element.sql}[]`,
  kind: 'array',
  category: 'A',
  element,
  scalar: element.scalar,
});

const POINT = '0101000020E6100000000000000000F03F0000000000000040';

test.each([
  ['int4', '12', '12'],
  ['int4', 'not a number: Postgres says so', 'not a number: Postgres says so'],
  ['int8', new NumberText('9007199254740993'), '9007199254740993'],
  ['int2', 5, '5'],
  ['int4', new NumberText('0.50e1'), '5'],
  ['int4', new NumberText('-00.0e-400'), '0'],
  ['int8', new NumberText('9.223372036854775807e18'), '9223372036854775807'],
  ['numeric', new NumberText('1.50'), '1.50'],
  ['float8', 'NaN', 'NaN'],
  ['bool', true, 'true'],
  ['bool', 'yes', 'yes'],
  ['text', new EnumText('bare'), 'bare'],
  ['inet', '::1', '::1'],
  ['ltree', 'a.b', 'a.b'],
  ['ltree', '', ''],
  ['jsonb', 'text', '"text"'],
  ['geometry', { type: 'Point', coordinates: [new NumberText('1'), 2] }, POINT],
  ['geography', '{"type": "Point", "coordinates": [1, 2]}', POINT],
  ['geometry', 'POINT(1 2)', 'POINT(1 2)'],
  ['raster', '00Ff', '00Ff'],
])('for a column of type %s %j is %s', (name, value, text) => {
  expect(scalarText(typed(name), value, '$')).toBe(text);
});

test.each([
  ['geometry', {}, 'key "type" not found'],
  ['geography', true, 'parsing Geometry failed, expected Object, but encountered Boolean'],
  ['raster', 'fff', 'invalid hexadecimal representation of raster well known binary format'],
  ['raster', true, 'expecting String for raster'],
  [
    'int4',
    true,
    'parsing Integer expected for input type: PGInteger failed, expected Number, but encountered Boolean',
  ],
  [
    'int8',
    [],
    'parsing Integer expected for input type: PGBigInt failed, expected Number, but encountered Array',
  ],
  [
    'float4',
    {},
    'parsing Float expected for input type: PGFloat failed, expected Number, but encountered Object',
  ],
  ['numeric', false, 'parsing Scientific failed, expected Number, but encountered Boolean'],
  ['bool', 1, 'parsing Bool failed, expected Bool, but encountered Number'],
  ['varchar', new NumberText('1'), 'parsing Text failed, expected String, but encountered Number'],
  ['uuid', 7, 'parsing UUID failed, expected String, but encountered Number'],
  ['inet', 7, 'A string is expected for type: inet'],
  [
    'ltree',
    'a..b',
    'Expecting label path: a sequence of zero or more labels separated by dots, for example L1.L2.L3',
  ],
  ...['4.9999999999999999999', '0.1e-400', '1e400', '99999999999999999999', '12e-1'].map(
    (text): [string, NumberText, string] => [
      'int8',
      new NumberText(text),
      `The value ${scientific(text)} lies outside the bounds or is not an integer. Maybe it is a float, or is there integer overflow?`,
    ],
  ),
  [
    'int2',
    new NumberText('32768'),
    'The value 32768.0 lies outside the bounds or is not an integer. Maybe it is a float, or is there integer overflow?',
  ],
])('for a column of type %s %j is refused', (name, value, message) => {
  expect(() => scalarText(typed(name), value, '$.at')).toThrow(
    expect.objectContaining({ code: 'parse-failed', path: '$.at', message }),
  );
});

test.each([
  ['text', ['a', null, '{b}'], '{"a",NULL,"{b}"}'],
  ['text', '{{a,b},{c,d}}', '{{a,b},{c,d}}'],
  ['jsonb', [[1, 2], { a: [] }], '{"[1,2]","{\\"a\\":[]}"}'],
])('for an array of %s %j is %s', (name, value, text) => {
  expect(encodeScalar(listOf(typed(name)), value, '$')).toBe(text);
});

test.each([
  ['text', [['a']], '$.at[0]', 'parsing Text failed, expected String, but encountered Array'],
  [
    'int4',
    [1, [2]],
    '$.at[1]',
    'parsing Integer expected for input type: PGInteger failed, expected Number, but encountered Array',
  ],
  ['inet', [[]], '$.at[0]', 'A string is expected for type: inet'],
  ['int4', 1, '$.at', 'parsing [] failed, expected Array, but encountered Number'],
])('for an array of %s %j is refused', (name, value, path, message) => {
  expect(() => encodeScalar(listOf(typed(name)), value, '$.at')).toThrow(
    expect.objectContaining({ code: 'parse-failed', path, message }),
  );
});

test.each([
  ['0', '0.0'],
  ['0.000', '0.0'],
  ['12', '12.0'],
  ['-1.50', '-1.5'],
  ['0.1', '0.1'],
  ['0.05', '5.0e-2'],
  ['9999999', '9999999.0'],
  ['10000000', '1.0e7'],
  ['2147483648', '2.147483648e9'],
  ['1.5e300', '1.5e300'],
])('a message writes %s as %s', (text, written) => {
  expect(scientific(text)).toBe(written);
});

test('to write a long number takes no time, wherever its zeros are', () => {
  expect(scientific(`1${'0'.repeat(200_000)}1`)).toBe('1.0e200001');
});

test('zeros in front of an index are passed over, and without an end they are no path', () => {
  expect(parseJsonPath('$.a[007][0]["00"]', '$')).toBe('{"a","7","0","00"}');
  expect(() => parseJsonPath(`$[${'0'.repeat(9_990)}`, '$')).toThrow('parse json path error');
});
