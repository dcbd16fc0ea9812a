import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Snapshot } from '../../catalog/watch.ts';
import { NearjoinError } from '../../core/errors.ts';
import { systemClock } from '../../core/waiting/clock.ts';
import { inSlices, type Steps } from '../../core/waiting/slices.ts';
import { namesIn } from '../headers.ts';
import type { HeldBytes } from '../held-bytes.ts';
import type { CorsPolicy } from '../server/cors.ts';
import { cutHeaders } from '../server/cut-headers.ts';
import { APOLLO } from './apollo-protocol.ts';
import { Connection, type ConnectionParts } from './connection.ts';
import type { Protocol } from './protocol.ts';
import { TRANSPORT } from './transport-protocol.ts';
import { answerPlainly, refusalOf, refuse, wantsWebSocket } from './upgrade.ts';

/** What the sockets of a process need. */
export interface SocketOptions extends ConnectionParts {
  readonly cors: CorsPolicy;
  readonly maxMessageBytes: number;
  /** What clients have sent that nobody has looked at yet. */
  readonly arriving: HeldBytes;
  readonly keepAliveMs: number;
  /** Whether clients connect anew when the metadata changes; else their subscriptions are planned anew. */
  readonly closesOnMetadataChange: boolean;
  /** The catalog, then each newer one. */
  readonly catalogs: (signal: AbortSignal) => AsyncIterable<Pick<Snapshot, 'catalog'>>;
}

const PROTOCOLS: readonly Protocol[] = [TRANSPORT, APOLLO];
const CLOSE_MS = 1000;
/** About how much memory an open socket takes before anything comes over it. */
const SOCKET_BYTES = 65_536;
/** Headers that concern the handshake alone, or that browsers set by themselves. */
const NOT_PASSED_ON = new Set(['upgrade', 'connection', 'host', 'cache-control', 'pragma']);

/** Accepts WebSockets on the path of the GraphQL endpoint, until the server closes. */
export function registerSockets(app: FastifyInstance, options: SocketOptions): Sockets {
  const sockets = new Sockets(options);
  // Newer Nodes ask whether an offer of another protocol is taken, and read the body of a request that makes one themselves.
  Object.assign(app.server, { shouldUpgradeCallback: wantsWebSocket });
  app.server.on('upgrade', (request, socket, head) => {
    const refusal = cutHeaders(request);
    if (refusal !== null) refuse(socket, refusal);
    else if (wantsWebSocket(request)) sockets.open(request, socket, head);
    else answerPlainly(app.server, request, { socket, head });
  });
  // In this hook, since the server then waits for its connections to end.
  app.addHook('preClose', () => sockets.close());
  return sockets;
}

/** Every open socket of the process. */
export class Sockets {
  readonly #options: SocketOptions;
  readonly #server: WebSocketServer;
  readonly #open = new Map<WebSocket, Connection>();
  /** Their subscriptions are to be planned anew. */
  readonly #held = new Set<Connection>();
  readonly #closed = new AbortController();
  readonly #loops: Promise<void>[];

  constructor(options: SocketOptions) {
    this.#options = options;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      // One message a turn: whoever sends thousands at once holds up nobody else.
      allowSynchronousEvents: false,
      maxPayload: options.maxMessageBytes,
      handleProtocols: (offered) => [...offered].find((name) => protocolOf(name) !== undefined) ?? false,
    });
    this.#loops = [this.#beat(), this.#followCatalog()];
  }

  /** How many sockets are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Completes a handshake, or refuses it. */
  open(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#closed.signal.aborted) {
      refuse(socket, new NearjoinError('source-unavailable', 'the server is shutting down'), [
        'retry-after: 0',
      ]);
      return;
    }
    const refusal = refusalOf(request, this.#options.cors);
    if (refusal === null) this.#accept(request, socket, head);
    else refuse(socket, refusal);
  }

  /** Asks every client to connect again, and waits a moment for their goodbyes. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#restart('the server is shutting down');
    const deadline = systemClock.monotonicMs() + CLOSE_MS;
    while (this.#open.size > 0 && systemClock.monotonicMs() < deadline) await systemClock.delay(20);
    if (this.#open.size > 0)
      this.#options.log.warn({ sockets: this.#open.size }, 'sockets that did not close in time were cut off');
    for (const socket of this.#open.keys()) socket.terminate();
    await Promise.all(this.#loops);
  }

  #accept(request: IncomingMessage, raw: Duplex, head: Buffer): void {
    this.#server.handleUpgrade(request, raw, head, (socket) => {
      const offered = request.headers['sec-websocket-protocol'];
      const protocol = offered === undefined ? APOLLO : protocolOf(socket.protocol);
      if (protocol === undefined) {
        socket.on('error', () => undefined);
        socket.close(4406, 'Subprotocol not acceptable');
        return;
      }
      const opened = {
        id: randomUUID(),
        socket,
        protocol,
        headers: handedOn(request.headers),
        names: namesIn(request.rawHeaders),
        ip: request.socket.remoteAddress ?? '',
        admitted: this.#untilAdmitted(socket, request.socket),
      };
      this.#open.set(socket, new Connection(opened, this.#options));
      socket.on('close', () => this.#open.delete(socket));
    });
  }

  /** Until a client is admitted, its socket counts as memory that clients hold together without having proved who they are. */
  #untilAdmitted(socket: WebSocket, raw: Socket): () => void {
    const held = this.#options.arriving.hold(() => {
      socket.close(1013, 'too many clients have not said yet who they are');
      raw.destroySoon();
    });
    const count = (bytes: Buffer): void => held.grow(bytes.length);
    const admitted = (): void => {
      held.end();
      raw.off('data', count);
    };
    held.grow(SOCKET_BYTES);
    raw.on('data', count);
    socket.on('close', admitted);
    return admitted;
  }

  async #beat(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await systemClock.delay(this.#options.keepAliveMs, signal);
      await inSlices(this.#beats(), systemClock);
    }
  }

  /** Each takes little, but there may be thousands. */
  *#beats(): Steps<void> {
    for (const connection of this.#open.values()) {
      connection.beat();
      yield;
    }
  }

  async #followCatalog(): Promise<void> {
    let version: number | null = null;
    let replanned = Promise.resolve();
    for await (const { catalog } of this.#options.catalogs(this.#closed.signal)) {
      const { resourceVersion } = catalog;
      const isOther = version !== null && resourceVersion !== version;
      if (isOther && this.#options.closesOnMetadataChange)
        await this.#restart('Server state changed, restarting the server');
      else if (version !== null) {
        this.#hold();
        replanned = replanned.then(() => this.#replan());
      }
      version = resourceVersion;
    }
    await replanned;
  }

  /** What is read meanwhile would be by the old permissions, or fail over the old schema. */
  #hold(): void {
    for (const connection of this.#open.values()) {
      connection.hold();
      this.#held.add(connection);
    }
  }

  /** Those too that are held again meanwhile. */
  async #replan(): Promise<void> {
    for (const connection of this.#held) {
      this.#held.delete(connection);
      await connection.replan();
    }
  }

  /** Those of now: who comes back meanwhile has come back. */
  async #restart(reason: string): Promise<void> {
    const connections = [...this.#open.values()];
    for (const connection of connections) connection.hold();
    await inSlices(restarts(connections, reason), systemClock);
  }
}

function* restarts(connections: readonly Connection[], reason: string): Steps<void> {
  for (const connection of connections) {
    connection.restart(reason);
    yield;
  }
}

function protocolOf(name: string): Protocol | undefined {
  return PROTOCOLS.find((protocol) => protocol.name === name);
}

function handedOn(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !NOT_PASSED_ON.has(name) && !name.startsWith('sec-websocket-'),
    ),
  );
}
