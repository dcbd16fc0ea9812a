import { describe, expect, test } from 'vitest';
import { ItemQueue } from '../../../connectors/item-queue.ts';
import { ZERO_LSN } from '../../../src/core/position/lsn.ts';
import type { StreamItem } from '../../../src/core/rows/change.ts';

const BEGIN: readonly StreamItem[] = [{ kind: 'begin', xid: 1, commit: ZERO_LSN }];

function queue(): { items: ItemQueue; events: string[] } {
  const events: string[] = [];
  const items = new ItemQueue({ drained: () => events.push('drained'), left: () => events.push('left') });
  return { items, events };
}

describe('the queue between a stream and its reader', () => {
  test('counts what waits and says when it is empty', async () => {
    const { items, events } = queue();
    items.put(BEGIN, 10);
    items.put(BEGIN, 20);
    expect(items.bytes).toBe(30);
    await items.next();
    expect([items.bytes, events]).toEqual([20, []]);
    await items.next();
    expect([items.bytes, events]).toEqual([0, ['drained']]);
  });

  test('hands a list straight to a reader that waits, who is told of', async () => {
    const { items, events } = queue();
    const next = items.next();
    expect(events).toEqual(['drained']);
    items.put(BEGIN, 10);
    expect([await next, items.bytes]).toEqual([{ done: false, value: BEGIN }, 0]);
  });

  test('a failure comes after what was received before it, and stays', async () => {
    const { items } = queue();
    items.put(BEGIN, 10);
    items.fail(new Error('first'));
    items.fail(new Error('second'));
    items.put(BEGIN, 10);
    expect((await items.next()).value).toBe(BEGIN);
    await expect(items.next()).rejects.toThrow('first');
    await expect(items.next()).rejects.toThrow('first');
  });

  test('a failure wakes the reader that waits', async () => {
    const { items } = queue();
    const next = items.next();
    items.fail(new Error('first'));
    await expect(next).rejects.toThrow('first');
  });

  test('an end drops what is left and wakes the reader', async () => {
    const { items } = queue();
    const next = items.next();
    items.end();
    items.put(BEGIN, 10);
    expect([await next, await items.next()]).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
  });

  test('leaving the loop tells the stream', async () => {
    const { items, events } = queue();
    items.put(BEGIN, 10);
    for await (const list of items) {
      expect(list).toBe(BEGIN);
      break;
    }
    expect(events).toEqual(['drained', 'left']);
  });
});
