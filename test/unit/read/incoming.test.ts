import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Incoming, rowCells } from '../../../src/read/wire/incoming.ts';
import { SpareBuffers } from '../../../src/read/wire/spare-buffers.ts';

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

test('messages come out whole however the stream is cut, and rows over the limit do not', () => {
  const messages = fc.array(
    fc.tuple(fc.constantFrom('D', 'C', 'Z'), fc.uint8Array({ minLength: 2, maxLength: 40 })),
    {
      maxLength: 12,
    },
  );
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (list, cuts) => {
      const seen: string[] = [];
      const incoming = new Incoming(
        {
          row: (body) => void seen.push(`D ${body.toString('hex')}`),
          message: (type, bytes, start, end) =>
            void seen.push(`${String.fromCharCode(type)} ${bytes.toString('hex', start, end)}`),
          oversized: (bytes) => void seen.push(`dropped ${bytes}`),
        },
        { rowLimit: 20, buffers: new SpareBuffers() },
      );
      const buffer = Buffer.alloc(30);
      const stream = Buffer.concat(list.map(([type, body]) => message(type, Buffer.from(body))));
      for (let at = 0, i = 0; at < stream.length; i += 1) {
        const step = cuts[i % cuts.length] ?? 1;
        // As a socket does that reads into the same buffer again.
        const read = stream.copy(buffer, 0, at, at + step);
        incoming.push(buffer, read);
        buffer.fill(0);
        at += step;
      }
      const expected = list.map(([type, body]) =>
        type === 'D' && body.length > 20
          ? `dropped ${body.length}`
          : `${type} ${Buffer.from(body).toString('hex')}`,
      );
      expect(seen).toEqual(expected);
    }),
  );
});

test('a row tells null from empty', () => {
  const row = Buffer.from([0, 3, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x61]);
  expect(rowCells(row).map((cell) => cell?.toString() ?? null)).toEqual([null, '', 'a']);
});
