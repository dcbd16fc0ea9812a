import { expect, test } from 'vitest';
import { statusMessage } from '../../../../connectors/postgres/stream/status-message.ts';
import { parseLsn } from '../../../../src/core/position/lsn.ts';

test('a status message carries the position as it is, three times, and the time since 2000', () => {
  const bytes = statusMessage(parseLsn('1A/FFFFFFFF'), true, 946_684_800_000 + 1_500);
  const position = '0000001affffffff';
  expect(bytes.toString('hex')).toBe(`64${'00000026'}72${position.repeat(3)}${'000000000016e360'}01`);
  expect(statusMessage(parseLsn('0/1'), false, 946_684_800_000).at(-1)).toBe(0);
});
