import { expect, test } from 'vitest';
import { limitsIn, limitsOf } from '../../../../src/catalog/part/api-limits.ts';
import { after, refused, SEED } from '../../commands/support.ts';

const LIMITS = {
  depth_limit: { global: 5, per_role: { clerk: 3, boss: 0 } },
  node_limit: { global: 7 },
  time_limit: { global: 2.5 },
  rate_limit: {
    global: { max_reqs_per_min: 100, unique_params: 'ip' },
    per_role: { clerk: { max_reqs_per_min: 10, unique_params: ['X-Hasura-User-Id'] } },
  },
};

test('a role has its own limits, else those of all roles; the administrator has none', () => {
  const limits = limitsIn(after([['set_api_limits', LIMITS]], after(SEED)).api_limits);
  const others = { nodes: 7, seconds: 2.5, batch: null };
  expect(limitsOf(limits, 'clerk')).toEqual({
    ...others,
    depth: 3,
    rate: { perMinute: 10, by: ['x-hasura-user-id'] },
  });
  expect(limitsOf(limits, 'boss').depth).toBe(0);
  expect(limitsOf(limits, 'constructor').depth).toBe(5);
  expect(limitsOf(limits, 'nobody').rate).toEqual({ perMinute: 100, by: 'address' });
  expect(limitsOf(limits, 'admin')).toEqual({
    depth: null,
    nodes: null,
    seconds: null,
    batch: null,
    rate: null,
  });
});

test('limits are set as a whole, switched off, and removed', () => {
  const set = after([['set_api_limits', LIMITS]]);
  expect(set.api_limits).toEqual(LIMITS);
  const less = { node_limit: { global: 1 } };
  expect(after([['set_api_limits', less]], set).api_limits).toEqual(less);
  expect(limitsIn(after([['set_api_limits', { ...LIMITS, disabled: true }]]).api_limits)).toBeNull();
  expect(limitsIn(after([['set_api_limits', {}]]).api_limits)).toBeNull();
  expect(after([['remove_api_limits', {}]], set)).not.toHaveProperty('api_limits');
});

test.each<[object, string]>([
  [{ depth_limit: { per_role: {} } }, 'depth_limit'],
  [{ node_limit: { global: -1 } }, 'node_limit.global'],
  [{ batch_limit: { global: 1.5 } }, 'batch_limit.global'],
  [{ time_limit: { global: 1, per_role: { clerk: 'long' } } }, 'time_limit.per_role.clerk'],
  [{ rate_limit: { global: 5 } }, 'rate_limit.global'],
  [
    { rate_limit: { global: { max_reqs_per_min: 1, unique_params: ['x-hasura-role'] } } },
    'rate_limit.global.unique_params[0]',
  ],
])('%j is refused', (args, path) => {
  const refusal = refused(() => after([['set_api_limits', args]]));
  expect(refusal).toMatchObject({ path: `$.args.${path}`, code: 'parse-failed' });
});
