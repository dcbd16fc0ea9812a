declare const lsnTag: unique symbol;

/** A Postgres log sequence number, ordered as an unsigned 64-bit number; never compared as text. */
export type Lsn = bigint & { readonly [lsnTag]: true };

/** The position before everything. */
export const ZERO_LSN: Lsn = 0n as Lsn;

/** The position after everything. */
export const LAST_LSN: Lsn = 0xffff_ffff_ffff_ffffn as Lsn;

const LSN_TEXT = /^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/;

/** Reads Postgres' text form, padded or not (`0/16B3748`, `00000000/016B3748`); throws a TypeError on anything else. */
export function parseLsn(text: string): Lsn {
  if (!LSN_TEXT.test(text)) throw new TypeError(`not a log sequence number: ${JSON.stringify(text)}`);
  const slash = text.indexOf('/');
  const high = BigInt(`0x${text.slice(0, slash)}`);
  const low = BigInt(`0x${text.slice(slash + 1)}`);
  return ((high << 32n) | low) as Lsn;
}

/** Whether `parseLsn` would accept the text. */
export function isLsnText(text: string): boolean {
  return LSN_TEXT.test(text);
}

/** Takes the 64 bits as the replication protocol carries them. */
export function lsnFromBits(bits: bigint): Lsn {
  return BigInt.asUintN(64, bits) as Lsn;
}

/** Postgres' own unpadded upper-case text form. */
export function formatLsn(lsn: Lsn): string {
  const high = (lsn >> 32n).toString(16).toUpperCase();
  const low = (lsn & 0xffffffffn).toString(16).toUpperCase();
  return `${high}/${low}`;
}

/** The later of two positions. */
export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a >= b ? a : b;
}
