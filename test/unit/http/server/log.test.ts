import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createLog, scrub } from '../../../../src/ops/log.ts';

test('secrets never reach a line, wherever they stand', () => {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const log = createLog('trace', sink);
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
