import { expect, test } from 'vitest';
import { ConnectorError } from '../../../connectors/connector.ts';
import { isRefusal } from '../../../src/cache/queryable.ts';
import { isDiskFull, say } from '../../../src/replicate/say.ts';

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

test('a disk is full at either end', () => {
  const refused = Object.assign(new Error('could not write to data file for XID 782'), { code: '53100' });
  expect(isDiskFull(refused)).toBe(true);
  expect(isDiskFull(new ConnectorError('retry', 'the stream of changes broke', refused))).toBe(true);
  expect(isDiskFull(new ConnectorError('retry', 'the target has been silent for 30 seconds'))).toBe(false);
});
