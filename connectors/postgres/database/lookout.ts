import type { Duplex } from 'node:stream';
import { systemClock } from '../../../src/core/waiting/clock.ts';
import { ConnectorError } from '../../connector.ts';
import { OwnClient } from '../client.ts';
import { toConnectorError } from '../failure.ts';
import { ERROR, FrameReader } from '../frames.ts';
import type { Target } from '../settings.ts';
import { NOW } from '../shown.ts';

const DATA_ROW = 0x44;
const READY = 0x5a;
/** In a data row of one column: how many there are, and how long it is. */
const ROW_HEAD_BYTES = 6;

const STATEMENT = 'nearjoin_shown';
/** Bind the statement to the unnamed portal, execute it, end: always the same bytes. */
const ASK = Buffer.from(
  `B\0\0\0${String.fromCharCode(STATEMENT.length + 12)}\0${STATEMENT}\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04`,
  'latin1',
);

interface Question {
  readonly askedMs: number;
  readonly resolve: (snapshot: string) => void;
  readonly reject: (error: ConnectorError) => void;
}

/** A question asked ahead is of use for so long; transactions that nobody waits for may have been in between. */
const AHEAD_MS = 1_000;

/**
 * A session that asks what the target's sessions see and nothing else. Every transaction waits for such an answer, so it
 * is a write and a read: `pg` logs in and prepares the statement, and leaves its socket.
 */
export class Lookout {
  readonly #target: Target;
  readonly #closing: AbortSignal;
  #session: Promise<LookoutSession> | null = null;
  /** Asked when transactions came, before anybody waited for them. */
  #ahead: { readonly askedMs: number; readonly answer: Promise<string> } | null = null;

  /** Ends with the signal. */
  constructor(target: Target, closing: AbortSignal) {
    this.#target = target;
    this.#closing = closing;
  }

  /**
   * Transactions have come: asks what is seen now, since somebody will soon want to know. An answer from before does not
   * hold them; but while they must wait, and many more come, one question is enough.
   */
  askAhead(mustWait: boolean): void {
    const now = systemClock.monotonicMs();
    if (mustWait && this.#ahead !== null && now - this.#ahead.askedMs < AHEAD_MS) return;
    const ahead = { askedMs: now, answer: this.now() };
    this.#ahead = ahead;
    ahead.answer.catch(() => {
      if (this.#ahead === ahead) this.#ahead = null; // whoever wants to know asks again
    });
  }

  /** The answer to what was asked ahead, once; else it is asked now. */
  newest(): Promise<string> {
    const ahead = this.#ahead;
    this.#ahead = null;
    const isNew = ahead !== null && systemClock.monotonicMs() - ahead.askedMs < AHEAD_MS;
    return isNew ? ahead.answer : this.now();
  }

  /** What an ordinary session of the target sees, as text of type pg_snapshot; throws a ConnectorError. */
  async now(): Promise<string> {
    this.#session ??= this.#open();
    const session = await this.#session;
    return await session.ask();
  }

  /** Leaves the session behind: what is asked from now on is asked over another one. */
  renew(): void {
    const old = this.#session;
    this.#session = null;
    this.#ahead = null;
    old?.then(
      (session) => session.end(new ConnectorError('retry', 'the connection was given up')),
      () => undefined, // whoever opened it was told
    );
  }

  #open(): Promise<LookoutSession> {
    const opening: Promise<LookoutSession> = LookoutSession.open(this.#target, this.#closing, () => {
      if (this.#session === opening) this.#session = null;
    });
    opening.catch(() => {
      if (this.#session === opening) this.#session = null;
    });
    return opening;
  }
}

class LookoutSession {
  readonly #own: OwnClient;
  readonly #socket: Duplex;
  readonly #limitMs: number;
  readonly #over: () => void;
  readonly #questions: Question[] = [];
  #answer = '';
  #watch: NodeJS.Timeout | null = null;
  #failure: ConnectorError | null = null;

  private constructor(own: OwnClient, limitMs: number, over: () => void) {
    this.#own = own;
    this.#socket = own.client.connection.stream;
    this.#limitMs = limitMs;
    this.#over = over;
    const frames = new FrameReader((tag, buffer, start, end) => this.#frame(tag, buffer, start, end));
    this.#socket.removeAllListeners('data');
    this.#socket.on('data', (chunk: Buffer) => this.#read(frames, chunk));
    this.#socket.on('close', () => this.end(new ConnectorError('retry', 'the target closed a connection')));
  }

  static async open(target: Target, signal: AbortSignal, over: () => void): Promise<LookoutSession> {
    const own = await OwnClient.open(target, signal);
    await own.orCut('administer', (client) => client.query({ name: STATEMENT, text: NOW }));
    return new LookoutSession(own, target.timings.statementMs, over);
  }

  ask(): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) return reject(this.#failure);
      this.#questions.push({ askedMs: systemClock.monotonicMs(), resolve, reject });
      this.#watch ??= setTimeout(() => this.#look(), this.#limitMs).unref();
      this.#socket.write(ASK);
    });
  }

  /** Cuts the connection; whoever still waits is told why. */
  end(error: ConnectorError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    if (this.#watch !== null) clearTimeout(this.#watch);
    this.#own.destroy();
    this.#over();
    for (const { reject } of this.#questions.splice(0)) reject(error);
  }

  /** A target that does not answer for so long is gone. */
  #look(): void {
    this.#watch = null;
    const [oldest] = this.#questions;
    if (oldest === undefined) return;
    const leftMs = oldest.askedMs + this.#limitMs - systemClock.monotonicMs();
    if (leftMs <= 0) this.end(new ConnectorError('retry', 'the target did not answer in time'));
    else this.#watch = setTimeout(() => this.#look(), leftMs).unref();
  }

  #read(frames: FrameReader, chunk: Buffer): void {
    try {
      frames.push(chunk);
    } catch (error) {
      this.end(toConnectorError(error, 'administer'));
    }
  }

  #frame(tag: number, buffer: Buffer, start: number, end: number): void {
    if (tag === DATA_ROW) this.#answer = buffer.toString('latin1', start + ROW_HEAD_BYTES, end);
    else if (tag === ERROR)
      throw new ConnectorError('retry', 'the target refused to say what its sessions see');
    else if (tag === READY) this.#questions.shift()?.resolve(this.#answer);
    // Notices, settings and the like say nothing about it.
  }
}
