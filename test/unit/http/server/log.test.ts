import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createLog, type Log, scrub } from '../../../../src/ops/log.ts';
import { PostgresError } from '../../../../src/read/wire/failure.ts';

function logTo(lines: string[]): Log {
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return createLog('trace', sink);
}

test('an error of Postgres that quotes a value is logged by its state', () => {
  const lines: string[] = [];
  const raised = new PostgresError(
    new Map([
      ['C', 'P0001'],
      ['M', 'no such tenant: "s3same"'],
    ]),
    false,
  );
  const cause = Object.assign(new Error('invalid input syntax for type integer: "s3same"'), {
    code: '22P02',
  });
  logTo(lines).error({ err: new Error('failed', { cause: raised }) }, 'x');
  logTo(lines).error({ err: new Error('failed', { cause }) }, 'y');
  expect(lines.join('')).not.toContain('s3same');
  expect(lines[0]).toContain('SQLSTATE P0001, which quotes values');
  expect(lines[1]).toContain('SQLSTATE 22P02, which quotes values');
});

test('secrets never reach a line, wherever they stand', () => {
  const lines: string[] = [];
  const log = logTo(lines);
  const url = 'postgres://me:hunter2@db.example.com:5432/x?sslmode=require';
  log.info({ reason: `connect to ${url} failed` }, `cannot reach ${url}`);
  log.warn(
    {
      password: 'hunter2',
      nested: { password: 'hunter2', token: 'hunter2' },
      headers: { authorization: 'hunter2' },
    },
    'x',
  );
  log.error(
    {
      err: Object.assign(new Error(`password='hunter2' host=x ${url}`, { cause: new Error(url) }), {
        detail: 'hunter2',
      }),
    },
    'y',
  );
  expect(lines).toHaveLength(3);
  expect(lines.join('')).not.toContain('hunter2');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'info',
    msg: 'cannot reach postgres://[redacted]',
  });
});

const PASSWORDS = [
  's3same',
  'a@s3same',
  'a:s3same',
  'a s3same',
  `a's3same`,
  'a"s3same',
  'a/s3same',
  'a#s3same',
  'a?s3same',
];
test.each([
  ...PASSWORDS.flatMap((password) => [
    `cannot reach postgres://me:${password}@db:5432/x?sslmode=require; a s3cond try`,
    `"postgresql://me:${encodeURIComponent(password)}@db/x"`,
    `host=db password='${password.replaceAll("'", "\\'")}' user=me`,
    `{"password":${JSON.stringify(password)},"user":"me"}`,
  ]),
  'host=db user=me password=s3same',
  'PASSWORD = s3same host=db',
  'PGPASSWORD=s3same psql',
  'postgres://db/x?user=me&password=s3same&sslmode=require',
  `{ user: 'me', password: 's3same' }`,
])('a password is taken out of %s', (text) => {
  expect(scrub(text)).toContain('[redacted]');
  expect(scrub(text)).not.toContain('s3same');
});

test('a text without secrets is left alone', () => {
  expect(scrub('password authentication failed for user "me"')).toBe(
    'password authentication failed for user "me"',
  );
  expect(scrub('http://127.0.0.1:8080 is ready')).toBe('http://127.0.0.1:8080 is ready');
});

test('a line of many URLs takes no time', () => {
  const urls = 'postgres://s3same '.repeat(80_000);
  expect(scrub(urls)).toBe('postgres://[redacted] '.repeat(80_000));
  expect(scrub(`a ${urls}@s3same b postgres://s3same\n${urls}`)).toBe(
    `a postgres://[redacted] b postgres://[redacted]\n${'postgres://[redacted] '.repeat(80_000)}`,
  );
});
