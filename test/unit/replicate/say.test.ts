import { expect, test } from 'vitest';
import { ConnectorError } from '../../../connectors/connector.ts';
import { isRefusal } from '../../../src/cache/queryable.ts';
import { isDiskFull, say } from '../../../src/replicate/say.ts';
import { serverError } from '../../support/server-error.ts';

const lost = 'the connection to the source database was lost: ';

test.each([
  [new Error('Client has encountered a connection error and is not queryable'), lost],
  [new Error('Connection terminated unexpectedly'), lost],
  [Object.assign(new Error('read ECONNRESET'), { syscall: 'read' }), lost],
  [new ConnectorError('retry', 'the stream of changes broke: read ECONNRESET'), ''],
  [new Error('parts of schema nearjoin are gone: lease'), ''],
])('%s', (error, before) => {
  expect(say(error)).toBe(before + error.message);
});

test('a connection that breaks has refused nothing, though its code looks like one of the server', () => {
  const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' });
  expect(say(broken)).toBe('the connection to the source database was lost: write EPIPE');
  expect(isRefusal(broken)).toBe(false);
});

test.each([
  ['22P02', {}, 'the source database refused a value (SQLSTATE 22P02)'],
  [
    '23505',
    { constraint: 'copy_pkey' },
    'the source database refused a value (SQLSTATE 23505, by constraint copy_pkey)',
  ],
  [
    'P0001',
    { where: 'PL/pgSQL function public.refuse(integer) line 1 at RAISE' },
    'the source database refused a statement (SQLSTATE P0001, by function public.refuse(integer))',
  ],
])('%s quotes values of rows, none of which is told', (code, more, said) => {
  const quoting = { detail: 'Failing row contains (a secret).', ...more };
  expect(say(serverError(code, 'Key (id)=(a secret) is not welcome', quoting))).toBe(said);
});

test('what keeps something from being dropped is told', () => {
  const detail = 'view a depends on it\nview b too';
  expect(say(serverError('2BP01', 'cannot drop table copy', { detail }))).toBe(
    'the source database refused a statement: cannot drop table copy: view a depends on it; view b too (2BP01)',
  );
});

test('a disk is full at either end', () => {
  const refused = serverError('53100', 'could not write to data file for XID 782');
  expect(isDiskFull(refused)).toBe(true);
  expect(isDiskFull(new ConnectorError('retry', 'the stream of changes broke', refused))).toBe(true);
  expect(isDiskFull(new ConnectorError('retry', 'the target has been silent for 30 seconds'))).toBe(false);
});
