import { compressFrame } from 'lz4-napi';
import { compress } from 'snappy';
import { expect, test } from 'vitest';
import { unpackLz4, unpackSnappy, unpackZstd } from '../../../../connectors/kafka/compression.ts';

const TEXT = Buffer.from('{"op":"u","after":{"id":1}} '.repeat(4_000));

/** As Java writes it: a header, and blocks of 32 kB behind their lengths. */
async function framed(text: Buffer): Promise<Buffer> {
  const parts: Uint8Array[] = [Buffer.from('82534e41505059000000000100000001', 'hex')];
  for (let at = 0; at < text.length; at += 32_768) {
    const block = await compress(text.subarray(at, at + 32_768));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

test('snappy is read in blocks with lengths, and as one block', async () => {
  expect((await unpackSnappy(await framed(TEXT))).equals(TEXT)).toBe(true);
  expect((await unpackSnappy(await compress(TEXT))).equals(TEXT)).toBe(true);
});

test('snappy that ends early, or lies about its lengths, is refused', async () => {
  const whole = await framed(TEXT);
  for (const length of [18, 60, whole.length - 1])
    await expect(unpackSnappy(whole.subarray(0, length))).rejects.toThrow();
  const wrong = Buffer.from(whole);
  wrong.writeUInt32BE(0xffffffff, 16);
  await expect(unpackSnappy(wrong)).rejects.toThrow();
});

test('lz4 is read in frames, and refused when it ends early', async () => {
  const packed = await compressFrame(TEXT);
  expect((await unpackLz4(packed)).equals(TEXT)).toBe(true);
  await expect(unpackLz4(packed.subarray(0, packed.length - 8))).rejects.toThrow();
});

test('zstd is read whether or not it says how long its content is, and refused when it ends early', async () => {
  // `yes 'nearjoin reads 1234567890' | head -200 | zstd --no-check`: from a pipe, so that the length is not known beforehand.
  const packed = Buffer.from(
    '28b52ffd0058150100d06e6561726a6f696e20726561647320313233343536373839300a0100ce50f7730c',
    'hex',
  );
  expect((await unpackZstd(packed)).toString()).toBe('nearjoin reads 1234567890\n'.repeat(200));
  await expect(unpackZstd(packed.subarray(0, packed.length - 4))).rejects.toThrow();
});
