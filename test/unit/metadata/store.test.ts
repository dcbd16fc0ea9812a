import { expect, test } from 'vitest';
import { storeFailure } from '../../../src/metadata/store/failure.ts';
import { serverError } from '../../support/server-error.ts';

function said(code: string, severity: string): Error {
  return serverError(code, 'Worte', { severity });
}

test('what a server refuses is told apart from its absence by codes: its words are of its language', () => {
  const refusal = said('23505', 'FEHLER');
  expect(storeFailure(refusal)).toBe(refusal);
  const unavailable = { code: 'source-unavailable', message: 'the metadata database does not answer: Worte' };
  for (const code of ['57P01', '57P05', '08006'])
    expect(storeFailure(said(code, 'FATAL'))).toMatchObject(unavailable);
  expect(storeFailure(new Error('Connection terminated'))).toMatchObject({ code: 'source-unavailable' });
  expect(storeFailure(said('22P05', 'ОШИБКА'))).toMatchObject({ code: 'data-exception' });
  for (const [code, advice] of [
    ['53100', ': make room on its disk'],
    ['42501', ''],
  ] as const)
    expect(storeFailure(said(code, 'FEHLER'))).toMatchObject({
      code: 'postgres-error',
      message: `the metadata database refused it: Worte (${code})${advice}`,
    });
});
