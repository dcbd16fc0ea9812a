import { expect, test } from 'vitest';
import {
  contains,
  formatToken,
  isSuccessor,
  later,
  parseToken,
} from '../../../../src/core/position/token.ts';

const token = (text: string) => {
  const parsed = parseToken(text);
  if (parsed === null) throw new Error(`not a token: ${text}`);
  return parsed;
};

test.each(['0/1', '0/16B3748@7576234.1', 'FFFFFFFF/0@18446744073709551615.4294967295'])(
  '%s reads back',
  (text) => {
    expect(formatToken(token(text))).toBe(text);
  },
);

test.each(['', '@7.1', '0/1@', '0/1@7', '0/1@7.', '0/1@7.1.2', '0/1@7.1@7.1', '16B3748'])(
  '%s is no token',
  (text) => {
    expect(parseToken(text)).toBeNull();
  },
);

test.each<[reached: string, asked: string, boolean]>([
  ['0/2@7.1', '0/2@7.1', true],
  ['0/2@7.1', '0/3@7.1', false],
  ['0/9@7.2', '0/3@7.1', false],
  ['0/9@8.1', '0/3@7.1', false],
  ['0/9@7.1', '0/3', true],
  ['0/9', '0/3@7.1', true],
])('%s contains %s: %s', (reached, asked, expected) => {
  expect(contains(token(reached), token(asked))).toBe(expected);
});

test('a history ends with the next timeline of the same server, and with nothing else', () => {
  expect(isSuccessor('7.2', '7.1')).toBe(true);
  expect(isSuccessor('7.10', '7.9')).toBe(true);
  expect(isSuccessor('7.1', '7.2')).toBe(false);
  expect(isSuccessor('8.2', '7.1')).toBe(false);
});

test('of two tokens the later one counts, and of two histories the one heard of last', () => {
  expect(formatToken(later(token('0/5@7.1'), token('0/3')))).toBe('0/5@7.1');
  expect(formatToken(later(token('0/5'), token('0/3@7.1')))).toBe('0/5@7.1');
  expect(formatToken(later(token('0/5@7.1'), token('0/3@7.2')))).toBe('0/3@7.2');
});
