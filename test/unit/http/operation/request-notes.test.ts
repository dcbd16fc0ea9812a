import { expect, test } from 'vitest';
import { noteOf } from '../../../../src/http/operation/request-notes.ts';

test('what is noted for the log keeps no answer, of which a batch may have a hundred', () => {
  const body = Buffer.from('{"data":{}}');
  const note = noteOf('a', 1, { kind: 'data', body, targets: [] });
  expect(note).toEqual({ name: 'a', elapsedMs: 1, code: null, targets: [] });
});
