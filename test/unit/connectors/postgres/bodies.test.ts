import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BodyReader } from '../../../../connectors/postgres/snapshot/bodies.ts';
import { frame } from '../../../support/pgoutput.ts';

test('the bodies of data come out as one run of bytes however the socket cuts them, and what follows is left whole', () => {
  const message = fc.tuple(
    fc.constantFrom('d', 'd', 'd', 'H', 'S', 'N', 'A'),
    fc.uint8Array({ maxLength: 40 }),
  );
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 10 }),
      fc.constantFrom('c', 'E', 'C'),
      (messages, sizes, last) => {
        const end = Buffer.concat([frame(last, Buffer.from('why')), frame('Z', Buffer.from('I'))]);
        const bytes = Buffer.concat([...messages.map(([tag, body]) => frame(tag, Buffer.from(body))), end]);
        const data = messages.filter(([tag]) => tag === 'd').map(([, body]) => Buffer.from(body));
        const { seen, rest, count } = readIn(bytes, sizes);
        expect(seen).toEqual(Buffer.concat(data));
        expect(rest).toEqual(end);
        expect(count).toBe(data.length);
      },
    ),
  );
});

test('bytes of another protocol are an error', () => {
  expect(() => new BodyReader().push(Buffer.from([0x64, 0, 0, 0, 1]))).toThrow(
    'something else than the Postgres protocol',
  );
});

function readIn(bytes: Buffer, sizes: readonly number[]): { seen: Buffer; rest: Buffer; count: number } {
  const reader = new BodyReader();
  const seen: Buffer[] = [];
  let at = 0;
  for (let turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    const { data, rest } = reader.push(Buffer.from(bytes.subarray(at, at + size)));
    at += size;
    seen.push(data);
    if (rest !== null)
      return {
        seen: Buffer.concat(seen),
        rest: Buffer.concat([rest, bytes.subarray(at)]),
        count: reader.count,
      };
  }
  throw new Error('the end was not seen');
}
