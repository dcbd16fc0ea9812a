import type { Lsn } from '../../../src/core/position/lsn.ts';
import { COPY_DATA } from '../frames.ts';

const BODY_BYTES = 34;
const STANDBY_STATUS = 0x72;
/** 2000-01-01 in milliseconds since 1970: where Postgres' clock begins. */
const POSTGRES_EPOCH_MS = 946_684_800_000;

/**
 * A standby status message, framed for the socket. `applied` is sent exactly as it is: a commit's end means that
 * the next transaction may begin right there, so one byte more would skip it.
 */
export function statusMessage(applied: Lsn, wantsReply: boolean, nowMs: number): Buffer {
  const bytes = Buffer.alloc(1 + 4 + BODY_BYTES);
  bytes[0] = COPY_DATA;
  bytes.writeUInt32BE(4 + BODY_BYTES, 1);
  bytes[5] = STANDBY_STATUS;
  bytes.writeBigUInt64BE(applied, 6); // written
  bytes.writeBigUInt64BE(applied, 14); // flushed
  bytes.writeBigUInt64BE(applied, 22); // applied
  bytes.writeBigInt64BE(BigInt(Math.round((nowMs - POSTGRES_EPOCH_MS) * 1000)), 30);
  bytes[38] = wantsReply ? 1 : 0;
  return bytes;
}
