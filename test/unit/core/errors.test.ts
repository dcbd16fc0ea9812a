import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERROR_CODES } from '../../../src/core/errors.ts';

test('every error code has its line in docs/errors.md, and no line is left over', () => {
  const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  const documented = [...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code);
  expect(new Set(documented)).toEqual(new Set(ERROR_CODES));
  expect(documented).toHaveLength(ERROR_CODES.length);
});
