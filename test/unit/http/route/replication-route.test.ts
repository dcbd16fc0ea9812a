import { expect, test } from 'vitest';
import { notHeld, tableOf } from '../../../../src/http/route/replication-route.ts';

test('tables that no cache holds are told as they were understood', () => {
  const { code, message } = notHeld({ target: 'pg2', tables: [tableOf('public.user')] });
  expect({ code, message }).toEqual({
    code: 'not-found',
    message: 'target "pg2" has no such table in its cache: {"schema":"public","name":"public.user"}',
  });
});
