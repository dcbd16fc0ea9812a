import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatLsn, lsnFromBits, parseLsn } from '../../../../src/core/position/lsn.ts';

test('a position reads back from its text, padded or not, in either case', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (bits) => {
      const lsn = lsnFromBits(bits);
      const text = formatLsn(lsn);
      const [high = '', low = ''] = text.split('/');
      expect(parseLsn(text)).toBe(lsn);
      expect(parseLsn(`${high.padStart(8, '0')}/${low.padStart(8, '0')}`.toLowerCase())).toBe(lsn);
    }),
  );
});

test('positions are ordered as numbers, not as text', () => {
  expect(parseLsn('0/9') < parseLsn('0/10')).toBe(true);
  expect(parseLsn('FFFFFFFF/0') > parseLsn('1/0')).toBe(true);
});

test.each(['', '0', '0/', '/1', '0/123456789', 'G/1', '0/1 ', ' 0/1'])('%j is not a position', (text) => {
  expect(() => parseLsn(text)).toThrow(TypeError);
});
