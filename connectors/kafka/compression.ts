import { kafkajs } from './kafkajs.ts';

/** Teaches kafkajs, which comes with gzip alone, the other compressions that brokers and producers use. */
export function readAllCompressions(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs();
  CompressionCodecs[CompressionTypes.Snappy] = () => ({ decompress: unpackSnappy });
  CompressionCodecs[CompressionTypes.LZ4] = () => ({ decompress: unpackLz4 });
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({ decompress: unpackZstd });
}

/** `\x82SNAPPY\0`: what Java puts first; two version numbers follow. */
const MARK = Buffer.from('82534e4150505900', 'hex');
const HEADER_BYTES = 16;

/**
 * Java's producers and the brokers write blocks, each behind its length, in a framing of their own (snappy-java's
 * SnappyOutputStream). Other producers write a single block without any.
 */
export async function unpackSnappy(packed: Buffer): Promise<Buffer> {
  const { uncompress } = await import('snappy');
  const isFramed = packed.subarray(0, MARK.length).equals(MARK);
  const blocks = await Promise.all(
    (isFramed ? blocksOf(packed) : [packed]).map((block) => uncompress(block)),
  );
  return Buffer.concat(blocks.map((block) => Buffer.from(block)));
}

function blocksOf(packed: Buffer): readonly Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = HEADER_BYTES; at < packed.length; ) {
    const from = at + 4;
    at = from + packed.readUInt32BE(at);
    blocks.push(packed.subarray(from, at));
  }
  return blocks;
}

/** Unpacks LZ4's frame format. */
export async function unpackLz4(packed: Buffer): Promise<Buffer> {
  const { decompressFrame } = await import('lz4-napi');
  return decompressFrame(packed);
}

/** Unpacks Zstandard frames, also those that do not say how long their content is: Java writes such. */
export async function unpackZstd(packed: Buffer): Promise<Buffer> {
  const { decompress } = await import('fzstd');
  const { buffer, byteOffset, byteLength } = decompress(packed);
  return Buffer.from(buffer, byteOffset, byteLength);
}
