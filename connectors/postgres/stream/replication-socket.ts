import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Client, DatabaseError } from 'pg';
import { LogicalReplicationService } from 'pg-logical-replication';
import { formatLsn, type Lsn } from '../../../src/core/position/lsn.ts';
import { errorFields } from '../../../src/core/postgres/error-fields.ts';
import { settleable } from '../../../src/core/waiting/settleable.ts';
import { ConnectorError } from '../../connector.ts';
import { connectionTo } from '../client.ts';
import { toConnectorError } from '../failure.ts';
import { COPY_DATA, ERROR, FrameReader, type FrameSink, type LargeFrames } from '../frames.ts';
import { readerApplication, sessionSettings, type Target } from '../settings.ts';

const COPY_BOTH = 0x57;
const COPY_DONE = 0x63;
const COMMAND_COMPLETE = 0x43;

/** What arrives on a socket that replicates. */
export interface ReplicationEvents {
  /** One socket read begins; the copy data in it follow. */
  readonly data: FrameSink;
  /** Gets the bytes of a message that is too large to be gathered, as they come. */
  readonly piece: LargeFrames['piece'];
  /** Whether what follows such a message must wait. */
  readonly mustWait: () => boolean;
  /** Called when all of one socket read that may be handed on has been. */
  readonly read: (bytes: number) => void;
  /** The connection is over, for good; called once. */
  readonly failed: (error: ConnectorError) => void;
}

/**
 * A walsender's connection after START_REPLICATION. pg-logical-replication connects and logs in; then its parser,
 * acknowledgements, timers and flow control are left behind and the socket's bytes are read here.
 */
export class ReplicationSocket {
  readonly #events: ReplicationEvents;
  readonly #service: LogicalReplicationService;
  readonly #tcp = new Socket();
  readonly #frames: FrameReader;
  #stream: Duplex = this.#tcp;
  /** Settles when the target has begun to stream, or will not. */
  readonly #begun = settleable<void>();
  #isOver = false;
  /** What followed a large message in the last socket read, and must wait. */
  #rest: Buffer | null = null;

  constructor(target: Target, events: ReplicationEvents) {
    this.#events = events;
    this.#frames = new FrameReader((tag, buffer, start, end) => this.#frame(tag, buffer, start, end), {
      tag: COPY_DATA,
      from: target.largeBytes,
      piece: (buffer, start, end, isLast) => events.piece(buffer, start, end, isLast),
    });
    this.#service = new LogicalReplicationService(
      {
        ...connectionTo(target, readerApplication(target)),
        // Ours, so that it can be cut while the library still connects.
        stream: () => this.#tcp,
      },
      { acknowledge: { auto: false, timeoutSeconds: 0 }, flowControl: { enabled: false } },
    );
    this.#service.on('error', (error) => this.#fail(error));
    this.#begun.promise.catch(() => undefined); // told by `start`, if that is called
    this.#tcp.on('connect', () => this.#listenEarly());
  }

  /** Resolves when the target has begun to stream, with `isEarly` transactions in progress too; rejects with a ConnectorError. */
  async start(target: Target, after: Lsn, isEarly: boolean): Promise<void> {
    if (this.#isOver) return this.#begun.promise;
    const limit = setTimeout(
      () => this.#fail(new ConnectorError('retry', 'the target did not start to stream in time')),
      target.timings.connectMs * 2,
    );
    const plugin = this.#plugin(target, isEarly);
    this.#service
      .subscribe(plugin, target.name, formatLsn(after))
      .catch((error: unknown) => this.#fail(error));
    await this.#begun.promise.finally(() => clearTimeout(limit));
  }

  /**
   * The library listens to its client only after the login was answered; an error in the same packet as that answer
   * would find nobody.
   */
  #listenEarly(): void {
    const client: unknown = Reflect.get(this.#service, '_client');
    if (client instanceof Client) client.on('error', (error) => this.#fail(error));
  }

  #plugin(target: Target, isEarly: boolean) {
    const version = isEarly ? `proto_version '2', streaming 'on'` : `proto_version '1'`;
    return {
      name: 'pgoutput',
      options: {},
      parse: (buffer: Buffer) => buffer,
      start: async (client: Client, slot: string, after: string): Promise<void> => {
        const timeout = { wal_sender_timeout: String(target.timings.walSenderTimeoutMs) };
        await client.query(sessionSettings(timeout));
        await target.history.check(client);
        // Stopped while the library was connecting: it would have gone on.
        if (this.#isOver) return this.#destroy();
        this.#takeOver(client);
        const publication = `"${target.name}"`;
        client.connection.query(
          `START_REPLICATION SLOT "${slot}" LOGICAL ${after} (${version}, publication_names '${publication}')`,
        );
      },
    };
  }

  /** From here on the client's own parser sees nothing: what follows is ours to read. */
  #takeOver(client: Client): void {
    this.#stream = client.connection.stream;
    this.#stream.removeAllListeners('data');
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#stream.on('close', () => this.#fail(new ConnectorError('retry', 'the target closed the stream')));
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      let at = 0;
      while (at < chunk.length && !this.#events.mustWait())
        at += this.#frames.push(at === 0 ? chunk : chunk.subarray(at));
      this.#rest = at < chunk.length ? chunk.subarray(at) : null;
      this.#events.read(at);
    } catch (error) {
      this.#fail(error);
    }
  }

  #frame(tag: number, buffer: Buffer, start: number, end: number): void {
    if (tag === COPY_DATA) this.#events.data(tag, buffer, start, end);
    else if (tag === COPY_BOTH) this.#begun.resolve();
    else if (tag === ERROR) throw serverError(buffer, start, end);
    else if (tag === COPY_DONE || tag === COMMAND_COMPLETE) {
      throw new ConnectorError(
        'retry',
        'the target ended the stream: it is shutting down, or ended our session',
      );
    }
    // Notices, settings and the like say nothing about the data.
  }

  /** Goes on with what had to wait. */
  readRest(): void {
    const rest = this.#rest;
    this.#rest = null;
    if (rest !== null) this.#read(rest);
  }

  /** Sends bytes that are a whole message. */
  write(bytes: Buffer): void {
    if (this.#stream.writable) this.#stream.write(bytes);
  }

  /** Stops reading, so that the target stops sending. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Sends a last message if that can be done at once, and cuts the connection; reports nothing more. */
  close(last: Buffer | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#begun.reject(new ConnectorError('retry', 'stopped before the stream began'));
    if (last === null || !this.#stream.writable) return this.#destroy();
    const limit = setTimeout(() => this.#destroy(), 200);
    this.#stream.end(last, () => {
      clearTimeout(limit);
      this.#destroy();
    });
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const failure = toConnectorError(error, 'stream');
    this.#destroy();
    this.#begun.reject(failure);
    this.#events.failed(failure);
  }

  #destroy(): void {
    this.#stream.destroy();
    this.#tcp.destroy();
    // With its socket gone the library has nothing left to wait for, and nothing to say that we did not report.
    this.#service.stop().catch(() => undefined);
  }
}

/** The fields of an ErrorResponse as the error pg itself would have made of it. */
function serverError(buffer: Buffer, start: number, end: number): DatabaseError {
  const fields = errorFields(buffer.subarray(start, end));
  const error = new DatabaseError(fields.get('M') ?? 'unknown error', end - start, 'error');
  error.severity = fields.get('S');
  error.code = fields.get('C');
  error.hint = fields.get('H');
  error.file = fields.get('F');
  return error;
}
