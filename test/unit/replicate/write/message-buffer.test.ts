import { expect, test } from 'vitest';
import { MessageBuffer } from '../../../../src/replicate/write/message-buffer.ts';

test('messages are framed as the protocol wants them', () => {
  const messages = new MessageBuffer();
  messages.parse('p', 'select $1');
  messages.bind('p', ['ü', null, '']);
  messages.execute();
  messages.copyDone();
  messages.sync();
  const text = (bytes: Buffer): string => bytes.toString('latin1');
  expect(text(messages.take())).toBe(
    'P\0\0\0\x12p\0select $1\0\0\0' +
      'B\0\0\0\x1b\0p\0\0\0\0\x03\0\0\0\x02\xc3\xbc\xff\xff\xff\xff\0\0\0\0\0\0' +
      'E\0\0\0\x09\0\0\0\0\0' +
      'c\0\0\0\x04' +
      'S\0\0\0\x04',
  );
});

test('what was taken is not written to again', () => {
  const messages = new MessageBuffer();
  messages.sync();
  const first = messages.take();
  messages.parse('', 'x'.repeat(10_000));
  expect(first).toEqual(Buffer.from([0x53, 0, 0, 0, 4]));
  expect(messages.take()).toHaveLength(10_000 + 9);
});
