import { Readable } from 'node:stream';
import type { Connection, Submittable } from 'pg';
import type { RowStream } from '../../connector.ts';
import { toConnectorError } from '../failure.ts';
import { type Bodies, BodyReader } from './bodies.ts';

/** Held while the writer is busy: a few socket reads, so that the server need not stop for each. */
const HELD_BYTES = 256 * 1024;

type Listener = (chunk: Buffer) => void;

/**
 * The output of a COPY as a query of the client. It reads the socket itself: the library makes an object of every row,
 * which costs more than the row. Errors are ConnectorErrors.
 */
export class CopyOut extends Readable implements RowStream, Submittable {
  readonly #query: string;
  readonly #bodies = new BodyReader();
  #stream: Connection['stream'] | null = null;
  #parse: Listener = () => undefined;
  #bytes = 0;
  #isComplete = false;

  constructor(query: string) {
    super({ highWaterMark: HELD_BYTES });
    this.#query = query;
  }

  get rowsRead(): number {
    return this.#bodies.count;
  }

  /** Read of the socket so far. */
  get bytesRead(): number {
    return this.#bytes;
  }

  /** The server has said that it sent all: the connection is free for another query. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Called by the client when it is this query's turn. */
  submit(connection: Connection): void {
    const { stream } = connection;
    const [parse] = stream.listeners('data').splice(-1) as Listener[];
    if (parse !== undefined) this.#parse = parse;
    this.#stream = stream;
    stream.off('data', this.#parse);
    stream.on('data', this.#take);
    connection.query(this.#query);
  }

  readonly #take = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    const bodies = this.#read(chunk);
    if (bodies === null) return;
    const { data, rest } = bodies;
    if (data.length > 0 && !this.push(data)) this.#stream?.pause();
    if (rest !== null) this.#handBack(rest);
  };

  #read(chunk: Buffer): Bodies | null {
    try {
      return this.#bodies.push(chunk);
    } catch (error) {
      this.handleError(error);
      return null;
    }
  }

  /** What follows the rows is for the client to read. */
  #handBack(rest: Buffer): void {
    const stream = this.#stream;
    this.#stream = null;
    stream?.off('data', this.#take);
    stream?.on('data', this.#parse);
    stream?.resume();
    this.#parse(rest);
  }

  override _read(): void {
    this.#stream?.resume();
  }

  /** Called by the client, also when its connection is lost. */
  handleError(error: unknown): void {
    this.destroy(toConnectorError(error, 'snapshot'));
  }

  /** Called by the client. */
  handleCommandComplete(): void {}

  /** Called by the client. */
  handleReadyForQuery(): void {
    this.#isComplete = true;
    this.push(null);
  }
}
