import { expect, test } from 'vitest';
import { readError } from '../../../src/read/error-mapping.ts';
import { ConnectionLost, PostgresError } from '../../../src/read/wire/failure.ts';

const reported = (state: string): PostgresError =>
  new PostgresError(
    new Map([
      ['C', state],
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

test('a statement beyond a limit of the server tells which one', () => {
  expect(readError(reported('54001'), 'pg1', 'source')).toMatchObject({
    code: 'query-too-complex',
    message: 'database "pg1" finds this too complex: as Postgres says it; ask for fewer fields or conditions',
  });
});

test('a right that was taken away on the target makes it unavailable; on the source it is for the log', () => {
  expect(readError(reported('42501'), 'pg2', 'target')).toMatchObject({ code: 'target-unavailable' });
  expect(readError(reported('42501'), 'pg1', 'source')).toMatchObject({ code: 'unexpected' });
});
