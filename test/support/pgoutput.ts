/** Builds pgoutput messages byte by byte, for tests of what reads them. */
export class MessageBytes {
  readonly #parts: Buffer[] = [];

  constructor(tag: string) {
    this.#parts.push(Buffer.from(tag, 'latin1'));
  }

  int8(value: number): this {
    return this.#add(1, (buffer) => buffer.writeUInt8(value));
  }

  int16(value: number): this {
    return this.#add(2, (buffer) => buffer.writeUInt16BE(value));
  }

  int32(value: number): this {
    return this.#add(4, (buffer) => buffer.writeUInt32BE(value >>> 0));
  }

  int64(value: bigint): this {
    return this.#add(8, (buffer) => buffer.writeBigUInt64BE(value));
  }

  tag(letter: string): this {
    this.#parts.push(Buffer.from(letter, 'latin1'));
    return this;
  }

  name(text: string): this {
    this.#parts.push(Buffer.from(`${text}\0`));
    return this;
  }

  /** A row: text, null, or `undefined` for an unchanged value. */
  row(cells: readonly (string | null | undefined)[]): this {
    this.int16(cells.length);
    for (const cell of cells) {
      if (cell === null) this.tag('n');
      else if (cell === undefined) this.tag('u');
      else this.tag('t').int32(Buffer.byteLength(cell)).#parts.push(Buffer.from(cell));
    }
    return this;
  }

  build(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #add(bytes: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.alloc(bytes);
    write(buffer);
    this.#parts.push(buffer);
    return this;
  }
}

/** A relation message; a name with a star is a key column. */
export function relationMessage(
  oid: number,
  table: string,
  columns: readonly string[],
  identity = 'd',
): Buffer {
  const message = new MessageBytes('R')
    .int32(oid)
    .name('public')
    .name(table)
    .tag(identity)
    .int16(columns.length);
  for (const column of columns) {
    const isKey = column.startsWith('*');
    message
      .int8(isKey ? 1 : 0)
      .name(isKey ? column.slice(1) : column)
      .int32(25)
      .int32(-1);
  }
  return message.build();
}

/** A message of the server as it travels: tag, length, body. */
export function frame(tag: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(tag, 0, 'latin1');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
