import { expect, test } from 'vitest';
import { unlz4, unsnappy } from '../../../../connectors/kafka/compression.ts';

/** Signs that come once, a pair that comes forty times, and what looks alike. */
const TEXT = [
  ...Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at)),
  'na'.repeat(40),
  ...Array.from({ length: 10 }, (_, id) => JSON.stringify({ id, name: 'é' })),
].join('');

// As Kafka's own producers pack them.
const PACKED = {
  framed:
    'glNOQVBQWQAAAAABAAAAAQAAAL32AvBlISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fm5hbmFuYW5h/gQAEQRMeyJpZCI6MCwibmFtZSI6IsOpIn0JFAAxShQAADJKFAAAM0oUAAA0ShQAADVKFAAANkoUAAA3ShQAADhKFAA0OSwibmFtZSI6IsOpIn0=',
  block:
    '9gLwZSEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9AQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1eX2BhYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ent8fX5uYW5hbmFuYf4EABEETHsiaWQiOjAsIm5hbWUiOiLDqSJ9CRQAMUoUAAAyShQAADNKFAAANEoUAAA1ShQAADZKFAAAN0oUAAA4ShQANDksIm5hbWUiOiLDqSJ9',
  lz4: 'BCJNGGBAgq8AAAD/USEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9AQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1eX2BhYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ent8fX5uYQIAO/IFeyJpZCI6MCwibmFtZSI6IsOpIn0UAB8xFAAAHzIUAAAfMxQAAB80FAAAHzUUAAAfNhQAAB83FAAAHzgUAAAUORQAUCLDqSJ9AAAAAA==',
  plain: 'BCJNGGBAgh4AAIAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4AAAAA',
};

const bytes = (packed: string): Buffer => Buffer.from(packed, 'base64');

test.each([
  ['snappy in the frame of Java', unsnappy, PACKED.framed, TEXT],
  ['one block of snappy', unsnappy, PACKED.block, TEXT],
  ['lz4', unlz4, PACKED.lz4, TEXT],
  ['lz4 of what could not be made smaller', unlz4, PACKED.plain, TEXT.slice(0, 30)],
])('%s is unpacked', (_name, unpack, packed, text) => {
  expect(unpack(bytes(packed)).toString('utf8')).toBe(text);
});

test.each([
  ['snappy', unsnappy, PACKED.framed],
  ['lz4', unlz4, PACKED.lz4],
])('%s that was cut off is an error', (_name, unpack, packed) => {
  const whole = bytes(packed);
  for (let length = whole.length - 5; length > 20; length -= 7)
    expect(() => unpack(whole.subarray(0, length))).toThrow('cannot be unpacked');
});

test('a repetition of what was not there is an error', () => {
  expect(() => unsnappy(Buffer.from([4, 0, 65, 1, 9]))).toThrow('cannot be unpacked');
});
