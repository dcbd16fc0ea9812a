import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameReader } from '../../../../connectors/postgres/frames.ts';
import { frame } from '../../../support/pgoutput.ts';

/** Reads the bytes in pieces of the given sizes, overwriting each piece afterwards as a socket may. */
function readIn(bytes: Buffer, sizes: readonly number[]): string[] {
  const seen: string[] = [];
  const reader = new FrameReader((tag, buffer, start, end) => {
    seen.push(String.fromCharCode(tag) + buffer.toString('hex', start, end));
  });
  let at = 0;
  for (let turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    const piece = Buffer.from(bytes.subarray(at, at + size));
    at += size;
    reader.push(piece);
    piece.fill(0xee);
  }
  return seen;
}

test('messages come out whole however the socket cuts them', () => {
  const message = fc.tuple(fc.constantFrom('d', 'W', 'N'), fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 10 }),
      (messages, sizes) => {
        const bytes = Buffer.concat(messages.map(([tag, body]) => frame(tag, Buffer.from(body))));
        expect(readIn(bytes, sizes)).toEqual(
          messages.map(([tag, body]) => tag + Buffer.from(body).toString('hex')),
        );
      },
    ),
  );
});

test('a whole message is read in place, without a copy', () => {
  const bytes = Buffer.concat([frame('d', Buffer.from('one')), frame('d', Buffer.from('two'))]);
  const buffers: Buffer[] = [];
  new FrameReader((_tag, buffer) => buffers.push(buffer)).push(bytes);
  expect(buffers.every((buffer) => buffer === bytes)).toBe(true);
});

test('bytes of another protocol are an error', () => {
  const reader = new FrameReader(() => undefined);
  expect(() => reader.push(Buffer.from('HTTP/1.1 400 Bad Request'))).toThrow(
    'something else than the Postgres protocol',
  );
  expect(() => new FrameReader(() => undefined).push(Buffer.from([0x64, 0, 0, 0, 1]))).toThrow(
    'something else',
  );
});
