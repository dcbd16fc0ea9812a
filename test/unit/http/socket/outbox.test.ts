import { expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { HeldBytes } from '../../../../src/http/held-bytes.ts';
import { Outbox } from '../../../../src/http/socket/outbox.ts';

/** A socket that remembers what was sent by it. */
class Remembered {
  readonly OPEN = 1;
  readonly readyState = 1;
  readonly bufferedAmount = 0;
  readonly sent: { readonly data: unknown; readonly fin: boolean }[] = [];

  send(data: unknown, { fin }: { readonly fin: boolean }): void {
    this.sent.push({ data, fin });
  }
}

const around = { before: '{"payload":', after: '}' };

test('a long answer is sent to all by the same bytes, which count once', () => {
  const dropped: number[] = [];
  const unsent = new HeldBytes(100_000, (bytes) => dropped.push(bytes));
  const answer = Buffer.from(JSON.stringify('x'.repeat(50_000)));
  for (let client = 0; client < 10; client += 1) {
    const socket = new Remembered();
    const bounds = { limitBytes: 1_000_000, unsent };
    new Outbox(socket as unknown as WebSocket, bounds, () => undefined).sendAround(answer, around);
    expect(socket.sent.map(({ fin }) => fin)).toEqual([false, false, true]);
    expect(socket.sent[1]?.data).toBe(answer);
    expect(socket.sent.map(({ data }) => data).join('')).toBe(`{"payload":${answer.toString()}}`);
  }
  expect(dropped).toEqual([]);
});

test('a short answer is one frame', () => {
  const socket = new Remembered();
  const bounds = { limitBytes: 1_000_000, unsent: new HeldBytes(100, () => undefined) };
  new Outbox(socket as unknown as WebSocket, bounds, () => undefined).sendAround(Buffer.from('1'), around);
  expect(socket.sent.map(({ data, fin }) => [String(data), fin])).toEqual([['{"payload":1}', true]]);
});
