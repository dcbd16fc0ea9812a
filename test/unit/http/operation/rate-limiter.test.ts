import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/core/waiting/clock.ts';
import { sessionOf } from '../../../../src/http/auth/session.ts';
import { RateLimiter } from '../../../../src/http/operation/rate-limiter.ts';

let now = 0;

function limiterAt(startMs: number): RateLimiter {
  now = startMs;
  return new RateLimiter({ ...systemClock, monotonicMs: () => now });
}

const session = (role: string, user = '') => sessionOf(role, new Map([['x-hasura-user-id', user]]));
const REFUSED = expect.objectContaining({
  code: 'rate-limit-exceeded',
  message: 'more than 2 operations in a minute',
});

test('of any minute as many operations are let in as the limit says, and those refused do not count', () => {
  const limiter = limiterAt(5_000);
  const ask = () => limiter.admit({ perMinute: 2, by: [] }, session('clerk'), '::1');
  ask();
  now += 30_000;
  ask();
  for (let i = 0; i < 100; i += 1) expect(ask).toThrow(REFUSED);
  now += 29_999;
  expect(ask).toThrow(REFUSED);
  now += 1;
  ask();
  expect(ask).toThrow(REFUSED);
  now += 30_000;
  ask();
  now += 600_000;
  ask();
  ask();
  expect(ask).toThrow(REFUSED);
});

test('clients are told apart by role, and by address or session variables where the limit says so', () => {
  const limiter = limiterAt(0);
  const ask = (by: 'address' | string[], role: string, user: string, address: string) => () =>
    limiter.admit({ perMinute: 2, by }, session(role, user), address);
  const twice = (call: () => void): void => {
    call();
    call();
    expect(call).toThrow(REFUSED);
  };
  twice(ask([], 'clerk', '1', 'a'));
  expect(ask([], 'clerk', '2', 'b')).toThrow(REFUSED);
  twice(ask([], 'boss', '1', 'a'));
  twice(ask('address', 'clerk', '1', 'a'));
  twice(ask('address', 'clerk', '1', 'b'));
  expect(ask('address', 'clerk', '2', 'b')).toThrow(REFUSED);
  twice(ask(['x-hasura-user-id'], 'clerk', '1', 'a'));
  twice(ask(['x-hasura-user-id'], 'clerk', '2', 'a'));
  twice(ask(['x-hasura-other'], 'clerk', '2', 'a'));
});

test('of very many clients those that came first are forgotten', () => {
  const limiter = limiterAt(0);
  const limit = { perMinute: 1, by: 'address' } as const;
  for (let i = 0; i <= 100_000; i += 1) limiter.admit(limit, session('clerk'), `${i}`);
  expect(() => limiter.admit(limit, session('clerk'), '1')).toThrow('more than 1 operations');
  limiter.admit(limit, session('clerk'), '0');
});
