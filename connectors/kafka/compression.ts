import kafkajs from 'kafkajs';

/** Messages are packed by producers and brokers; of the ways there are, kafkajs brings only gzip's. */
export function readSnappyAndLz4(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  CompressionCodecs[CompressionTypes.Snappy] = () => reading(unsnappy);
  CompressionCodecs[CompressionTypes.LZ4] = () => reading(unlz4);
}

function reading(unpack: (packed: Buffer) => Buffer): object {
  return {
    compress: () => Promise.reject(new Error('bug: nothing is written to Kafka')),
    // Whatever is wrong with the bytes rejects, as an error of theirs does.
    decompress: (packed: Buffer) => new Promise((resolve) => resolve(unpack(packed))),
  };
}

/** What is packed, from its beginning to its end. */
class Packed {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isOver(): boolean {
    return this.at >= this.#bytes.length;
  }

  take(count: number): Buffer {
    const end = this.at + count;
    if (end > this.#bytes.length) throw broken();
    const taken = this.#bytes.subarray(this.at, end);
    this.at = end;
    return taken;
  }

  byte(): number {
    return this.take(1).readUInt8();
  }

  /** The last byte comes first in memory. */
  number(bytes: number): number {
    return this.take(bytes).readUIntLE(0, bytes);
  }
}

/** What was unpacked so far; grows by what is really there, not by what the bytes say is to come. */
class Unpacked {
  #bytes = Buffer.allocUnsafe(1 << 16);
  #length = 0;

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  add(bytes: Buffer): void {
    this.#makeRoom(bytes.length);
    bytes.copy(this.#bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What is so far back comes again; it may reach into itself. */
  repeat(back: number, count: number): void {
    if (back === 0 || back > this.#length) throw broken();
    this.#makeRoom(count);
    for (let left = count; left > 0; ) {
      const from = this.#length - back;
      const piece = Math.min(left, back);
      this.#bytes.copyWithin(this.#length, from, from + piece);
      this.#length += piece;
      left -= piece;
    }
  }

  #makeRoom(count: number): void {
    const wanted = this.#length + count;
    if (wanted <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(wanted, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

const XERIAL = Buffer.from('\x82SNAPPY\0', 'latin1');
const XERIAL_HEADER = 16;

/** Unpacks snappy's blocks: one, or several in the frame that Java's producers write. */
export function unsnappy(bytes: Buffer): Buffer {
  const unpacked = new Unpacked();
  if (!bytes.subarray(0, XERIAL.length).equals(XERIAL)) {
    unsnappyBlock(new Packed(bytes), unpacked);
    return unpacked.bytes;
  }
  const packed = new Packed(bytes);
  packed.take(XERIAL_HEADER);
  while (!packed.isOver) {
    const block = packed.take(packed.take(4).readUInt32BE());
    unsnappyBlock(new Packed(block), unpacked);
  }
  return unpacked.bytes;
}

function unsnappyBlock(packed: Packed, unpacked: Unpacked): void {
  while (packed.byte() >= 0x80); // the length comes out by itself
  while (!packed.isOver) {
    const tag = packed.byte();
    const high = tag >> 2;
    switch (tag & 3) {
      case 0:
        unpacked.add(packed.take(1 + (high < 60 ? high : packed.number(high - 59))));
        break;
      case 1:
        unpacked.repeat(((tag >> 5) << 8) | packed.byte(), 4 + (high & 7));
        break;
      case 2:
        unpacked.repeat(packed.number(2), 1 + high);
        break;
      default:
        unpacked.repeat(packed.number(4), 1 + high);
    }
  }
}

const LZ4_MAGIC = 0x184d2204;
const LZ4_HAS_DICTIONARY = 0x01;
const LZ4_HAS_SIZE = 0x08;
const LZ4_HAS_BLOCK_SUMS = 0x10;
const LZ4_IS_PLAIN = 0x80000000;

/** Unpacks one frame of lz4. Its sums are not compared: the broker has one of the whole batch. */
export function unlz4(bytes: Buffer): Buffer {
  const packed = new Packed(bytes);
  const unpacked = new Unpacked();
  if (packed.number(4) !== LZ4_MAGIC) throw broken();
  const flags = packed.byte();
  if ((flags & LZ4_HAS_DICTIONARY) !== 0) throw broken();
  packed.take(1 + ((flags & LZ4_HAS_SIZE) === 0 ? 0 : 8) + 1); // the blocks' largest size, all there is, a sum
  for (let size = packed.number(4); size !== 0; size = packed.number(4)) {
    const isPlain = size >= LZ4_IS_PLAIN;
    const block = packed.take(isPlain ? size - LZ4_IS_PLAIN : size);
    if (isPlain) unpacked.add(block);
    else unlz4Block(new Packed(block), unpacked);
    if ((flags & LZ4_HAS_BLOCK_SUMS) !== 0) packed.take(4);
  }
  return unpacked.bytes;
}

function unlz4Block(packed: Packed, unpacked: Unpacked): void {
  while (!packed.isOver) {
    const token = packed.byte();
    unpacked.add(packed.take(lz4Length(packed, token >> 4)));
    if (packed.isOver) return; // the last piece is never a repetition
    const back = packed.number(2);
    unpacked.repeat(back, 4 + lz4Length(packed, token & 15));
  }
}

function lz4Length(packed: Packed, short: number): number {
  let length = short;
  if (short < 15) return length;
  for (;;) {
    const more = packed.byte();
    length += more;
    if (more < 255) return length;
  }
}

function broken(): Error {
  return new Error('packed messages cannot be unpacked');
}
