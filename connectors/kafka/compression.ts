import kafkajs from 'kafkajs';

// It is CommonJS, and Node's loader does not see these two among its names.
const { CompressionCodecs, CompressionTypes } = kafkajs;

/** Lets kafkajs, which comes with gzip alone, read whatever brokers and producers compress with. */
export function readAllCompressions(): void {
  CompressionCodecs[CompressionTypes.Snappy] = () => ({ decompress: unpackSnappy });
  CompressionCodecs[CompressionTypes.LZ4] = () => ({ decompress: unpackLz4 });
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({ decompress: unpackZstd });
}

/** What Java's producers and the brokers begin with: `\x82SNAPPY\0` and two version numbers. */
const MARK = Buffer.from('82534e4150505900', 'hex');
const HEADER_BYTES = 16;

/**
 * Java writes blocks, each behind its length, in a framing of snappy-java's own (its SnappyOutputStream); other producers
 * write one block and nothing else.
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

/** Of LZ4's frame format. */
export async function unpackLz4(packed: Buffer): Promise<Buffer> {
  const { decompressFrame } = await import('lz4-napi');
  return decompressFrame(packed);
}

/** Frames that do not say how long their content is, as Java writes them, are read as well. */
export async function unpackZstd(packed: Buffer): Promise<Buffer> {
  const { decompress } = await import('fzstd');
  const { buffer, byteOffset, byteLength } = decompress(packed);
  return Buffer.from(buffer, byteOffset, byteLength);
}
