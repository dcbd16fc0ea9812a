const PARSE = 0x50;
const CLOSE = 0x43;
const BIND = 0x42;
const EXECUTE = 0x45;
const SYNC = 0x53;
const COPY_DONE = 0x63;

/** So much comes out of memory that Node has at hand; more is made for the purpose. */
const FIRST_BYTES = 1024;
const NOTHING: Buffer = Buffer.alloc(0);

/** A value of a statement; it travels as text. */
export type Parameter = string | number | bigint | null;

/**
 * Protocol messages one after the other in one piece of memory: one write to the socket costs less than making the
 * messages. Everything travels in text form.
 */
export class MessageBuffer {
  #buffer: Buffer = NOTHING;
  #at = 0;
  #start = 0;

  parse(name: string, text: string): void {
    this.#begin(PARSE);
    this.#string(name);
    this.#string(text);
    this.#int16(0);
    this.#end();
  }

  /** The server forgets the statement. */
  close(name: string): void {
    this.#begin(CLOSE);
    this.#string(`S${name}`);
    this.#end();
  }

  /** Binds the unnamed portal. */
  bind(name: string, values: readonly Parameter[]): void {
    this.#begin(BIND);
    this.#string('');
    this.#string(name);
    this.#int16(0);
    this.#int16(values.length);
    for (const value of values)
      this.#value(typeof value === 'string' || value === null ? value : String(value));
    this.#int16(0);
    this.#end();
  }

  execute(): void {
    this.#begin(EXECUTE);
    this.#string('');
    this.#int32(0);
    this.#end();
  }

  sync(): void {
    this.#begin(SYNC);
    this.#end();
  }

  copyDone(): void {
    this.#begin(COPY_DONE);
    this.#end();
  }

  /** Everything so far; what follows goes into other memory. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#at);
    this.#buffer = NOTHING;
    this.#at = 0;
    return taken;
  }

  #begin(tag: number): void {
    this.#room(5);
    this.#buffer[this.#at] = tag;
    this.#start = this.#at + 1;
    this.#at += 5;
  }

  #end(): void {
    this.#buffer.writeInt32BE(this.#at - this.#start, this.#start);
  }

  #string(text: string): void {
    this.#text(text, Buffer.byteLength(text) + 1);
    this.#buffer[this.#at - 1] = 0;
  }

  #value(value: string | null): void {
    if (value === null) return this.#int32(-1);
    const bytes = Buffer.byteLength(value);
    this.#int32(bytes);
    this.#text(value, bytes);
  }

  #text(text: string, room: number): void {
    this.#room(room);
    this.#buffer.write(text, this.#at);
    this.#at += room;
  }

  #int16(value: number): void {
    this.#room(2);
    this.#at = this.#buffer.writeInt16BE(value, this.#at);
  }

  #int32(value: number): void {
    this.#room(4);
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes, FIRST_BYTES));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
