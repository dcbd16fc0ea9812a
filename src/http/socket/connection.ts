import type { IncomingHttpHeaders } from 'node:http';
import type { WebSocket } from 'ws';
import { nextTurn } from '../../core/waiting/next-turn.ts';
import { Turns } from '../../core/waiting/turns.ts';
import type { Log } from '../../ops/log.ts';
import type { LiveQueries } from '../../subscribe/live-queries.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import type { Session } from '../auth/session.ts';
import { loggedError } from '../error-reply.ts';
import { headerBytesFrom, isYes } from '../headers.ts';
import type { HeldBytes } from '../held-bytes.ts';
import { freshnessOf } from '../operation/freshness-headers.ts';
import type { OperationRunner } from '../operation/operation-runner.ts';
import type { Effect } from './effects.ts';
import { type ClientMessage, readClientMessage } from './messages.ts';
import { type OperationScope, SocketOperation } from './operation.ts';
import { Outbox } from './outbox.ts';
import type { Protocol } from './protocol.ts';
import { advance, OPENING, type SocketEvent, type SocketState } from './state.ts';

/** What every connection of a process works with. */
export interface ConnectionParts {
  readonly authenticator: Pick<Authenticator, 'authenticate'>;
  readonly runner: Pick<OperationRunner, 'prepare' | 'answer'>;
  readonly live: LiveQueries;
  readonly log: Log;
  readonly showsInternal: (session: Session | null) => boolean;
  readonly limits: SocketLimits;
  readonly unsent: HeldBytes;
  /** Wall-clock time: sessions end by it. */
  readonly nowMs: () => number;
}

/** What one connection may take. */
export interface SocketLimits {
  /** Time for a client to send `connection_init`. */
  readonly initMs: number;
  /** Most operations at the same time. */
  readonly operations: number;
  /** Longest query. */
  readonly requestMs: number;
  /** A client with more bytes on their way to it counts as behind. */
  readonly pendingBytes: number;
  /** A client that neither sends nor takes anything for so long is taken for gone. */
  readonly silentMs: number;
}

/** A socket as it was opened. */
export interface OpenedSocket {
  readonly id: string;
  readonly socket: WebSocket;
  readonly protocol: Protocol;
  /** The headers of the request that opened it, with credentials among them. */
  readonly headers: IncomingHttpHeaders;
  /** The names of these headers as the client wrote them. */
  readonly names: readonly string[];
  readonly ip: string;
  /** Called when it is known who the client is. */
  readonly admitted: () => void;
}

/** Queries of one connection that run at the same time. */
const QUERY_WIDTH = 4;
const LONGEST_TIMER_MS = 2_147_483_647;
/** Four times what a request's headers may have: nobody knows the client yet, and all that it says here goes with each of its operations. */
const LONGEST_OPENING = 65_536;

/** One client's connection: turns what happens into events of its state, and does what follows from them. */
export class Connection {
  readonly #opened: OpenedSocket;
  readonly #parts: ConnectionParts;
  readonly #outbox: Outbox;
  readonly #operations = new Map<string, SocketOperation>();
  readonly #queries = new Turns(QUERY_WIDTH);
  readonly #initTimer: NodeJS.Timeout;
  /** Operations to be started, while another one has this turn. */
  readonly #waiting: SocketOperation[] = [];
  #isStarting = false;
  #expiry: NodeJS.Timeout | null = null;
  #state: SocketState = OPENING;
  #scope: OperationScope | null = null;
  #heardMs: number;
  #pendingBytes = 0;

  constructor(opened: OpenedSocket, parts: ConnectionParts) {
    this.#opened = opened;
    this.#parts = parts;
    const { socket } = opened;
    const { limits, unsent } = parts;
    this.#outbox = new Outbox(socket, { limitBytes: limits.pendingBytes, unsent }, () => this.#catchUp());
    this.#heardMs = performance.now();
    this.#initTimer = setTimeout(() => this.#on({ kind: 'late' }), parts.limits.initMs);
    socket.on('message', (data, isBinary) => this.#hear(data, isBinary));
    socket.on('pong', () => this.#heard());
    socket.on('close', () => this.#gone());
    // A close event follows, whose code says what the client did wrong.
    socket.on('error', () => undefined);
  }

  /** Sends the client a sign of life, and gives up on one that has shown none for too long. */
  beat(): void {
    this.#on({ kind: 'beat' });
    const { socket } = this.#opened;
    const pending = this.#outbox.pendingBytes;
    if (pending < this.#pendingBytes) this.#heard();
    this.#pendingBytes = pending;
    if (performance.now() - this.#heardMs > this.#parts.limits.silentMs) socket.terminate();
    else if (socket.readyState === socket.OPEN) socket.ping();
  }

  /** Asks the client to connect again, later or elsewhere. */
  restart(reason: string): void {
    this.#on({ kind: 'restart', reason });
  }

  /** No subscription is read until it is planned anew. */
  hold(): void {
    for (const operation of this.#operations.values()) operation.hold();
  }

  /** Plans every subscription anew, one a turn: the schema may have changed. */
  async replan(): Promise<void> {
    for (const operation of this.#operations.values()) {
      operation.replan();
      await nextTurn();
    }
  }

  #hear(data: unknown, isBinary: boolean): void {
    this.#heard();
    this.#on({ kind: 'message', message: this.#messageIn(isBinary || !Buffer.isBuffer(data) ? null : data) });
  }

  #messageIn(data: Buffer | null): ClientMessage {
    if (this.#state.kind === 'opening' && data !== null && data.length > LONGEST_OPENING) {
      const problem = `a message before the connection is initialised is longer than ${LONGEST_OPENING} bytes`;
      return { kind: 'malformed', problem };
    }
    return readClientMessage(data?.toString('utf8') ?? '', this.#opened.protocol.words);
  }

  #heard(): void {
    this.#heardMs = performance.now();
  }

  #on(event: SocketEvent): void {
    const { protocol } = this.#opened;
    const rules = { protocol, operationLimit: this.#parts.limits.operations };
    const { state, effects } = advance(rules, this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#do(effect);
  }

  #do(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        return this.#outbox.sendText(effect.text);
      case 'close':
        return this.#close(effect.code, effect.reason);
      case 'admit':
        void this.#admit(effect.headers);
        return;
      case 'start':
        return this.#start(effect.id, effect.payload);
      case 'stop':
        this.#operations.get(effect.id)?.stop();
        this.#operations.delete(effect.id);
    }
  }

  /**
   * Headers in the message win over those of the request; freshness is asked for in the message alone, since browsers send a
   * Cache-Control of their own.
   */
  async #admit(given: Readonly<Record<string, string>>): Promise<void> {
    clearTimeout(this.#initTimer);
    const said: IncomingHttpHeaders = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name.toLowerCase(), headerBytesFrom(value)]),
    );
    try {
      const { headers, names } = this.#opened;
      const session = await this.#parts.authenticator.authenticate(
        { ...headers, ...said },
        { names: () => [...names, ...Object.keys(given)], body: () => null },
      );
      // If the client has gone meanwhile, nothing may be begun: only its going would end it.
      if (this.#state.kind !== 'admitting') return;
      this.#scope = this.#scopeOf(session, said);
      this.#opened.admitted();
      this.#expireAt(session.expiresAtMs);
      this.#log('connected', { role: session.role });
      this.#on({ kind: 'admitted' });
    } catch (error) {
      const known = loggedError(error, this.#parts.log, 'connection not admitted');
      this.#log('refused', { code: known.code });
      this.#on({ kind: 'refused', reason: known.message });
    }
  }

  #scopeOf(session: Session, said: IncomingHttpHeaders): OperationScope {
    const { runner, live, showsInternal, limits } = this.#parts;
    return {
      protocol: this.#opened.protocol,
      outbox: this.#outbox,
      runner,
      live,
      context: { session, address: this.#opened.ip, freshness: freshnessOf(said) },
      format: {
        withExtensions: isYes(said['x-nearjoin-extensions']),
        showsInternal: showsInternal(session),
      },
      requestTimeoutMs: limits.requestMs,
      inTurn: (work, stop) =>
        this.#queries.take(async () => {
          // A client that does not read is sent nothing more.
          await this.#outbox.room();
          return work();
        }, stop),
    };
  }

  #expireAt(expiresAtMs: number | null): void {
    if (expiresAtMs === null) return;
    const leftMs = expiresAtMs - this.#parts.nowMs();
    if (leftMs <= 0) {
      this.#on({ kind: 'expired' });
      return;
    }
    this.#expiry = setTimeout(() => this.#expireAt(expiresAtMs), Math.min(leftMs, LONGEST_TIMER_MS));
  }

  #start(id: string, payload: unknown): void {
    if (this.#scope === null) return;
    const operation = new SocketOperation(this.#scope, id, payload, () => this.#ended(id, operation));
    this.#operations.set(id, operation);
    this.#waiting.push(operation);
    if (!this.#isStarting) void this.#startEach();
  }

  /** One a turn: those that waited until the client was admitted come all at once. */
  async #startEach(): Promise<void> {
    this.#isStarting = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      next.start().catch((error: unknown) => {
        this.#parts.log.error({ err: error, socket: this.#opened.id }, 'operation failed');
      });
      await nextTurn();
    }
    this.#isStarting = false;
  }

  /** Notes the end of an operation; its id may have been stopped and used for another meanwhile. */
  #ended(id: string, operation: SocketOperation): void {
    if (this.#operations.get(id) !== operation) return;
    this.#operations.delete(id);
    this.#on({ kind: 'ended', id });
  }

  #catchUp(): void {
    for (const operation of this.#operations.values()) operation.catchUp();
  }

  #close(code: number, reason: string): void {
    this.#log('closed', { code, reason });
    this.#opened.socket.close(code, reason);
    this.#stopAll();
  }

  #gone(): void {
    if (this.#state.kind !== 'closed') this.#log('disconnected', {});
    this.#state = { kind: 'closed' };
    this.#stopAll();
  }

  #stopAll(): void {
    clearTimeout(this.#initTimer);
    if (this.#expiry !== null) clearTimeout(this.#expiry);
    for (const operation of this.#operations.values()) operation.stop();
    this.#operations.clear();
    this.#outbox.end();
  }

  #log(event: string, more: object): void {
    const { id, ip, protocol } = this.#opened;
    this.#parts.log.info(
      { type: 'websocket-log', socket: id, ip, protocol: protocol.name, event, ...more },
      'websocket',
    );
  }
}
