import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJsonExactly } from '../../../../src/http/operation/lossless-json.ts';
import { NumberText } from '../../../../src/plan/value/input.ts';

test('long numbers keep every digit, short ones are plain numbers', () => {
  const text = '{"a":9007199254740993,"b":-12345678901234567890,"c":1.2345678901234567890,"d":12,"e":1.5e3}';
  expect(parseJsonExactly(text)).toEqual({
    a: new NumberText('9007199254740993'),
    b: new NumberText('-12345678901234567890'),
    c: new NumberText('1.2345678901234567890'),
    d: 12,
    e: 1500,
  });
});

test('numbers that a double cannot hold keep their digits, however few', () => {
  expect(parseJsonExactly('{"a":1e400,"b":-2.5E-400,"c":[1e+310],"d":1e99,"e":"1e400"}')).toEqual({
    a: new NumberText('1e400'),
    b: new NumberText('-2.5E-400'),
    c: [new NumberText('1e+310')],
    d: 1e99,
    e: '1e400',
  });
});

test('digits inside strings and keys stay text, whatever is escaped around them', () => {
  const value = {
    '12345678901234567890': ['12345678901234567890', '\\"12345678901234567890\\', '"', '\u0007'],
  };
  expect(parseJsonExactly(JSON.stringify(value))).toEqual(value);
});

test.each([
  '{"a":0123456789012345678}',
  '{"a":1234567890123456789x}',
  '[12345678901234567890',
  '{"a":--12345678901234567}',
])('malformed JSON stays malformed: %s', (text) => {
  expect(() => parseJsonExactly(text)).toThrow(SyntaxError);
});

test('every JSON value reads as the native parser reads it, but for the exactness of numbers', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify({ value, long: '1234567890123456' });
      expect(plain(parseJsonExactly(text))).toEqual(JSON.parse(text));
    }),
  );
});

function plain(value: unknown): unknown {
  if (value instanceof NumberText) return Number(value.text);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return JSON.parse(
    JSON.stringify(value, (_key, member: unknown) =>
      member instanceof NumberText ? Number(member.text) : member,
    ),
  );
}

test('half of a character is refused, wherever it stands, and nothing else is', () => {
  const piece = fc.constantFrom('\\ud83d', '\\uDE00', '\\\\', '\\n', '\\u00e9', 'x', '💡', 'ud83d');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const text = `["${pieces.join('')}"]`;
      const [value] = JSON.parse(text) as [string];
      const isWhole = utf8OrNull(value) !== null;
      if (isWhole) expect(parseJsonExactly(text)).toEqual([value]);
      else expect(() => parseJsonExactly(text)).toThrow(/half of a character/);
    }),
  );
});

/** Null for a text that UTF-8 cannot hold. */
function utf8OrNull(text: string): string | null {
  try {
    return encodeURIComponent(text);
  } catch {
    return null;
  }
}
