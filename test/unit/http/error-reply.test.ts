import { expect, test } from 'vitest';
import { NearjoinError } from '../../../src/core/errors.ts';
import { graphqlErrorJson, hasuraErrorBody } from '../../../src/http/error-reply.ts';

test.each([
  ['to whoever may hear of it', true, { row: 'Ada' }, { internal: { row: 'Ada' } }],
  ['to nobody else', false, { row: 'Ada' }, {}],
  ['nor where there is none', true, undefined, {}],
])('what is internal of an error is told %s', (_, withInternal, internal, told) => {
  const error = new NearjoinError('data-exception', 'no number', { path: '$.a', internal });
  expect(JSON.parse(graphqlErrorJson(error, withInternal))).toStrictEqual({
    message: 'no number',
    extensions: { path: '$.a', code: 'data-exception', ...told },
  });
  expect(hasuraErrorBody(error, withInternal)).toStrictEqual({
    path: '$.a',
    error: 'no number',
    code: 'data-exception',
    ...told,
  });
});
