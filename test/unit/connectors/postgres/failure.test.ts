import { describe, expect, test } from 'vitest';
import { ConnectorError } from '../../../../connectors/connector.ts';
import { type Doing, toConnectorError } from '../../../../connectors/postgres/failure.ts';
import { serverError } from '../../../support/server-error.ts';

describe('the class of a failure', () => {
  const cases: readonly (readonly [string, Doing, string])[] = [
    ['57P01', 'stream', 'retry'],
    ['57P03', 'connect', 'retry'],
    ['53300', 'connect', 'retry'],
    ['55006', 'stream', 'retry'],
    ['55P03', 'administer', 'retry'],
    ['XX000', 'stream', 'retry'],
    ['55000', 'stream', 'slot-lost'],
    ['42704', 'stream', 'slot-lost'],
    ['58P01', 'stream', 'slot-lost'],
    ['55000', 'administer', 'retry'],
    ['28P01', 'connect', 'unfit'],
    ['28000', 'connect', 'unfit'],
    ['3D000', 'connect', 'unfit'],
    ['42501', 'administer', 'unfit'],
    ['53400', 'snapshot', 'unfit'],
    ['54000', 'stream', 'unsendable'],
    ['54000', 'snapshot', 'unsendable'],
    ['22021', 'stream', 'unsendable'],
    ['22P05', 'snapshot', 'unsendable'],
    ['22021', 'administer', 'retry'],
    ['54000', 'administer', 'retry'],
  ];

  test.each(cases)('%s while the connector does %s is %s', (code, doing, failure) => {
    const cause = serverError(code);
    const error = toConnectorError(cause, doing);
    expect([error.failure, error.cause]).toEqual([failure, cause]);
    expect(error.message).toContain(code);
  });

  test('a row too large for Postgres to send is told as such, whatever its code', () => {
    const large = Object.assign(serverError('XX000'), {
      message: 'invalid memory alloc request size 1100000003',
    });
    const error = toConnectorError(large, 'stream');
    expect(error.failure).toBe('unsendable');
    expect(error.message).toMatch(
      /1100000003 \(XX000\): a row is larger than Postgres can send, .* leave its table out/,
    );
  });

  test('a library that cannot be loaded concerns its table and is no lost slot, in whatever language the server says so', () => {
    const missing = serverError('58P01', 'Zugriff auf Datei »$libdir/gone« nicht möglich', {
      file: 'dfmgr.c',
    });
    const removed = serverError('58P01', 'das WAL-Segment wurde schon entfernt', { file: 'walsender.c' });
    const failures = [missing, removed].map((error) => toConnectorError(error, 'stream').failure);
    expect(failures).toEqual(['unsendable', 'slot-lost']);
  });

  test('what a server quotes of a value is not told', () => {
    const quoting = Object.assign(serverError('22P02'), {
      message: 'invalid input value for enum mood: "sad"',
    });
    expect(toConnectorError(quoting, 'administer').message).toBe(
      'the target refused a command: it refused a value (22P02)',
    );
  });

  test.each(['EPIPE', 'ECONNRESET'])('a broken socket passes: %s is no code of the server', (code) => {
    const cause = Object.assign(new Error(`write ${code}`), { code, syscall: 'write' });
    const { failure, message } = toConnectorError(cause, 'stream');
    expect([failure, message]).toEqual(['retry', `the stream of changes broke: write ${code}`]);
    expect(toConnectorError(cause, 'administer').message).toBe(`the target did not answer: write ${code}`);
  });

  test('what fails on the way to the target, or at its door, is told as such, whatever was to be done', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
    });
    const failures = [refused, new AggregateError([refused]), serverError('28P01'), serverError('53300')];
    for (const failure of failures)
      expect(toConnectorError(failure, 'administer').message).toMatch(/^could not connect to the target: /);
    expect(toConnectorError(serverError('42501'), 'administer').message).toMatch(/^the target refused/);
  });

  test('a target that says nothing has refused nothing', () => {
    expect(toConnectorError(new Error('Query read timeout'), 'administer').message).toBe(
      'the target did not answer: Query read timeout',
    );
  });

  test('where it can be said what to do, it is said', () => {
    expect(toConnectorError(serverError('53400'), 'snapshot').message).toMatch(
      /\(53400\): free what is used up, or raise what limits it there/,
    );
  });

  test('a malformed connection string is told without the string', () => {
    const cause = Object.assign(new TypeError('Invalid URL'), {
      code: 'ERR_INVALID_URL',
      input: 'postgres://u:hush',
    });
    const error = toConnectorError(cause, 'connect');
    expect([error.failure, error.cause]).toEqual(['unfit', undefined]);
    expect(error.message).not.toContain('hush');
  });

  test('what is classed already stays as it is', () => {
    const error = new ConnectorError('slot-lost', 'gone');
    expect(toConnectorError(error, 'connect')).toBe(error);
  });
});
