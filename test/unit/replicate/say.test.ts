import { expect, test } from 'vitest';
import { ConnectorError } from '../../../connectors/connector.ts';
import { say } from '../../../src/replicate/say.ts';

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
