import { expect, test } from 'vitest';
import { sqlStateOf } from '../../../../src/core/postgres/sql-state.ts';
import { serverError } from '../../../support/server-error.ts';

test.each([
  ['a server', serverError('57P01', 'Worte', { severity: 'FEHLER' }), '57P01'],
  ['the system', Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' }), null],
  ['a library, about the same', Object.assign(new Error('it broke'), { code: 'EPIPE' }), null],
  [
    'a library, with degrees of its own',
    Object.assign(new Error('no'), { severity: 'high', code: 'E_NO_WAY' }),
    null,
  ],
  ['nobody known', { severity: 'ERROR', code: '57P01' }, null],
])('the SQLSTATE in an error of %s', (_whose, error, state) => {
  expect(sqlStateOf(error)).toBe(state);
});
