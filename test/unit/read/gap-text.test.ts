import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GapText, textsOf } from '../../../src/read/live/gap-text.ts';
import { RowTooLarge } from '../../../src/read/wire/failure.ts';
import { GAP_MARK } from '../../../src/sql/shape/gap.ts';

const gap = (place: number, key: string): string => `${GAP_MARK}${place},${key}${GAP_MARK}`;

function fill(cell: string, answers: Record<number, Record<string, string>>, limit = 1_000): string {
  const text = new GapText([Buffer.from(cell)]);
  const texts = new Map(
    Object.entries(answers).map(([place, byKey]) => {
      const found = text.keys(Number(place)).map((key) => Buffer.from(byKey[key] ?? 'unexpected'));
      return [Number(place), found] as const;
    }),
  );
  return String(text.filled(texts, limit)[0]);
}

test('every gap is filled by its key, which is asked for once', () => {
  const cell = `[{"a":${gap(3, '7')},"b":${gap(5, '"x","y"')}},{"a":${gap(3, '7')}},{"a":${gap(3, '-1')}}]`;
  expect(new GapText([Buffer.from(cell)]).keys(3)).toEqual(['7', '-1']);
  expect(fill(cell, { 3: { '7': '{"n":"ü"}', '-1': 'null' }, 5: { '"x","y"': '[]' } })).toBe(
    '[{"a":{"n":"ü"},"b":[]},{"a":{"n":"ü"}},{"a":null}]',
  );
});

test('cells without gaps are handed on uncopied', () => {
  const cells = [Buffer.from('{"a":1}'), null];
  expect(new GapText(cells).filled(new Map(), 3)).toEqual(cells);
});

test('few gaps may not grow into an answer beyond the limit', () => {
  const cell = `[${Array.from({ length: 30 }, () => gap(1, '1')).join()}]`;
  expect(() => fill(cell, { 1: { '1': '"0123456789"' } }, 300)).toThrow(RowTooLarge);
});

test('texts come apart as they were joined, and none may be missing', () => {
  expect(textsOf(Buffer.from(`1${GAP_MARK}{}${GAP_MARK}[]`), 3).map(String)).toEqual(['1', '{}', '[]']);
  expect(textsOf(null, 0)).toEqual([]);
  expect(() => textsOf(Buffer.from('1'), 2)).toThrow('bug');
});

test('whatever JSON surrounds the gaps, only the gaps change', () => {
  const json = fc.jsonValue().map((value) => JSON.stringify(value));
  fc.assert(
    fc.property(fc.array(fc.tuple(json, fc.string(), json)), (parts) => {
      const cell = parts.map(([around, key]) => `${around}${gap(1, JSON.stringify(key))}`).join();
      const answers = Object.fromEntries(parts.map(([, key, text]) => [JSON.stringify(key), text]));
      const expected = parts.map(([around, key]) => `${around}${answers[JSON.stringify(key)]}`).join();
      expect(fill(cell, { 1: answers }, 1_000_000)).toBe(expected);
    }),
  );
});
