import { expect, test } from 'vitest';
import type { NearjoinError } from '../../../src/core/errors.ts';
import { isForOperators, readError, StatementOutdated } from '../../../src/read/error-mapping.ts';
import { ConnectionLost, PostgresError, RequestTooLarge } from '../../../src/read/wire/failure.ts';

const reported = (state: string, routine = ''): PostgresError =>
  new PostgresError(
    new Map([
      ['C', state],
      ['R', routine],
      ['M', 'as Postgres says it'],
    ]),
    false,
  );

test.each([
  ['a broken connection', new ConnectionLost('gone')],
  ['a shutdown', reported('57P01')],
  ['a start-up', reported('57P03')],
  ['too many sessions', reported('53300')],
])('%s makes the side unavailable that it happened on', (_title, error) => {
  expect(readError(error, 'pg2', 'target')).toMatchObject({ code: 'target-unavailable' });
  expect(readError(error, 'pg1', 'source')).toMatchObject({ code: 'source-unavailable' });
});

test.each([
  ['a statement that took too long', reported('57014'), 'timed-out'],
  ['a pattern that ends in the middle of an escape', reported('22025'), 'bad-request'],
  ['values that no message holds', new RequestTooLarge('more than 65535 values'), 'query-too-complex'],
])('%s is told as such', (_title, error, code) => {
  expect(readError(error, 'pg1', 'source')).toMatchObject({ code });
});

test('a statement beyond a limit of the server tells which one', () => {
  expect(readError(reported('54001'), 'pg1', 'source')).toMatchObject({
    code: 'query-too-complex',
    message: 'database "pg1" finds this too complex: as Postgres says it; ask for fewer fields or conditions',
  });
});

test('a limit that a value exceeds is told without the value', () => {
  expect(readError(reported('54000'), 'pg1', 'source')).toMatchObject({
    code: 'query-too-complex',
    message: 'database "pg1" finds this too complex; ask for fewer fields or conditions',
  });
});

test('a character that a database cannot hold is not told: it may be of a row that the asker may not see', () => {
  const error = readError(reported('22P05'), 'pg1', 'source') as NearjoinError;
  expect(error.code).toBe('data-exception');
  expect(JSON.stringify([error.message, error.internal])).not.toContain('as Postgres says it');
});

test('a right that was taken away makes the side unavailable, and is for operators to read of', () => {
  for (const side of ['target', 'source'] as const) {
    const error = readError(reported('42501'), 'pg2', side) as NearjoinError;
    expect(error).toMatchObject({ code: `${side}-unavailable` });
    expect(isForOperators(error)).toBe(true);
  }
});

test.each(['42501', '42P01', '57014', '53300', 'P0001'])(
  'a function that raises %s says nothing about its database',
  (state) => {
    const error = readError(reported(state, 'exec_stmt_raise'), 'pg2', 'target');
    expect(error).not.toBeInstanceOf(StatementOutdated);
    expect(error).toMatchObject({ code: 'unexpected', message: 'database query error' });
  },
);

test.each(['42P01', '42703', '3F000', '42704', '42883', 'XX000'])(
  'a statement that met %s may be out of date',
  (state) => {
    const code = ['42883', 'XX000'].includes(state) ? 'unexpected' : 'schema-changed';
    const error = readError(reported(state), 'pg2', 'target');
    expect(error).toBeInstanceOf(StatementOutdated);
    expect(error).toMatchObject({ code, databases: ['pg2'] });
  },
);
