import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameReader } from '../../../../connectors/postgres/frames.ts';
import { LargeMessage } from '../../../../connectors/postgres/stream/large-message.ts';
import { passingData } from '../../../../src/cache/rows/copy-text.ts';
import type { PassingRow } from '../../../../src/core/rows/passing-row.ts';
import { frame, MessageBytes } from '../../../support/pgoutput.ts';

const HEADER = Buffer.concat([Buffer.from('w'), Buffer.alloc(24)]);
const cell = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }).map((text) => text.replaceAll('\0', '0')),
  fc.constant(null),
  fc.constant(undefined),
);

/** What COPY is given of a row, with an unchanged value as a null. */
function copied(cells: readonly (string | null | undefined)[]): string {
  const escaped = cells.map((text) =>
    text === null || text === undefined
      ? '\\N'
      : text.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r'),
  );
  return `${escaped.join('\t')}\n`;
}

test('a row passes as it is, in pieces that end anywhere, and what is behind it waits', async () => {
  const given = [fc.array(cell, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 30 })] as const;
  await fc.assert(
    fc.asyncProperty(...given, async (cells, size) => {
      const message = new MessageBytes('U')
        .int32(7)
        .tag('O')
        .row(['k', undefined])
        .tag('N')
        .row(cells)
        .build();
      const bytes = Buffer.concat([
        frame('d', Buffer.concat([HEADER, message])),
        frame('d', Buffer.from('next')),
      ]);
      const seen: string[] = [];
      let row: PassingRow | null = null;
      let passed = 0;
      const large = new LargeMessage(false, {
        begun: (head, its) => {
          seen.push(head.toString('latin1'));
          row = its;
        },
        room: () => undefined,
        passed: () => {
          passed += 1;
        },
      });
      const reader = new FrameReader(
        (_tag, buffer, start, end) => seen.push(buffer.toString('latin1', start, end)),
        {
          tag: 0x64,
          from: 30,
          piece: (buffer, start, end) => large.push(buffer, start, end),
        },
      );
      for (let at = 0; at < bytes.length; ) at += reader.push(Buffer.from(bytes.subarray(at, at + size)));
      const head = new MessageBytes('U').int32(7).tag('O').row(['k', undefined]).tag('N').build();
      expect(seen).toEqual([head.toString('latin1'), 'next']);
      const found = {
        places: cells.map((_, at) => at),
        keys: [0],
        before: null,
        missing: [],
        key: new Map(),
      };
      const text: Buffer[] = [];
      if (row !== null)
        for (const piece of passingData(row, found)) if (Buffer.isBuffer(piece)) text.push(piece.subarray(5));
      expect(Buffer.concat(text).toString()).toBe(copied(cells));
      expect(found.missing).toEqual(cells.flatMap((each, at) => (each === undefined ? [at] : [])));
      await Promise.resolve();
      expect(passed).toBe(1);
    }),
  );
});

test('of an old row large values are left out, and a deletion has no row that passes', () => {
  const begun: (readonly [string, boolean])[] = [];
  const large = new LargeMessage(true, {
    begun: (head, row) => begun.push([head.toString('latin1'), row !== null]),
    room: () => undefined,
    passed: () => undefined,
  });
  const message = new MessageBytes('D')
    .int32(1)
    .int32(7)
    .tag('O')
    .row(['k', 'x'.repeat(2 << 20), null])
    .build();
  const bytes = Buffer.concat([HEADER, message]);
  for (let at = 0; at < bytes.length; at += 50_000)
    large.push(bytes, at, Math.min(at + 50_000, bytes.length));
  const kept = new MessageBytes('D').int32(1).int32(7).tag('O').row(['k', undefined, null]).build();
  expect(begun).toEqual([[kept.toString('latin1'), false]]);
});
