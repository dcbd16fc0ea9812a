import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What a proxy does with connections. `black-hole` keeps them open and forwards nothing, either way. */
export type ProxyMode = 'forward' | 'black-hole' | 'refuse';

/** A TCP proxy in front of a server, for faults of the network. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** The url with host and port of the proxy. */
  through(url: string): string;
  /** From now on, for open and for new connections (`refuse` resets new ones and leaves open ones alone). */
  setMode(mode: ProxyMode): void;
  /** New connections wait, not forwarded, until they are let go. */
  hold(): void;
  letGo(): void;
  /** Delays what comes from the server. */
  setDelay(ms: number): void;
  /** Nothing gets through the open connections any more, either way; new ones are forwarded. */
  silence(): void;
  /** Resets every open connection. */
  reset(): void;
  /** Bytes forwarded from the server so far. */
  readonly bytesFromServer: number;
  readonly openConnections: number;
  /** Connections that clients have made so far, those that are held included. */
  readonly connectionsMade: number;
  close(): Promise<void>;
}

/** Starts a proxy on a free port in front of the address. */
export async function startProxy(to: { readonly host: string; readonly port: number }): Promise<Proxy> {
  const proxy = new TcpProxy(to);
  await proxy.listen();
  return proxy;
}

class TcpProxy implements Proxy {
  readonly #to: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  /** Sockets that hear and say nothing any more. */
  readonly #silent = new WeakSet<Socket>();
  #mode: ProxyMode = 'forward';
  #held: Socket[] | null = null;
  #delayMs = 0;
  #bytes = 0;
  #made = 0;

  constructor(to: { readonly host: string; readonly port: number }) {
    this.#to = to;
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      this.#made += 1;
      this.#accept(client);
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  get bytesFromServer(): number {
    return this.#bytes;
  }

  get openConnections(): number {
    return this.#pairs.size;
  }

  get connectionsMade(): number {
    return this.#made;
  }

  through(url: string): string {
    const changed = new URL(url);
    changed.hostname = '127.0.0.1';
    changed.port = String(this.port);
    return changed.href;
  }

  setMode(mode: ProxyMode): void {
    this.#mode = mode;
    for (const pair of this.#pairs) {
      // One of the two left while nothing got through.
      if (pair.some((socket) => socket.destroyed)) this.#forget(pair);
      for (const socket of pair) {
        if (mode === 'black-hole') socket.pause();
        else if (!this.#silent.has(socket)) socket.resume();
      }
    }
  }

  hold(): void {
    this.#held = [];
  }

  letGo(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const client of held) this.#accept(client);
  }

  setDelay(ms: number): void {
    this.#delayMs = ms;
  }

  silence(): void {
    for (const socket of [...this.#pairs].flat()) {
      this.#silent.add(socket);
      socket.pause();
    }
  }

  reset(): void {
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  async close(): Promise<void> {
    this.reset();
    for (const client of this.#held ?? []) client.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #accept(client: Socket): void {
    if (this.#mode === 'refuse') {
      client.resetAndDestroy();
      return;
    }
    if (this.#held !== null) {
      this.#held.push(client);
      return;
    }
    const server = connect({ ...this.#to, allowHalfOpen: true });
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    this.#pipe(client, server, false);
    this.#pipe(server, client, true);
    for (const socket of pair) {
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#forget(pair));
      if (this.#mode === 'black-hole') socket.pause();
    }
  }

  /** In a black hole not even the end of a connection gets through. */
  #forget(pair: readonly [Socket, Socket]): void {
    const isHeard = this.#mode !== 'black-hole' && !this.#silent.has(pair[0]);
    if (!isHeard && !pair.every((socket) => socket.destroyed)) return;
    this.#pairs.delete(pair);
    for (const socket of pair) socket.destroy();
  }

  #pipe(from: Socket, to: Socket, isFromServer: boolean): void {
    let delayed = 0;
    let turn: Promise<void> = Promise.resolve();
    // What is delayed is not overtaken by what comes later.
    const wait = (forward: () => void): void => {
      delayed += 1;
      const rest = new Promise((resolve) => setTimeout(resolve, this.#delayMs));
      turn = Promise.all([turn, rest]).then(() => {
        delayed -= 1;
        forward();
      });
    };
    from.on('data', (chunk) => {
      if (isFromServer) this.#bytes += chunk.length;
      const forward = (): void => {
        // Waiting for the other side keeps the proxy from buffering what its reader does not want.
        if (!to.destroyed && !to.write(chunk)) this.#waitFor(from, to);
      };
      if (isFromServer && (this.#delayMs > 0 || delayed > 0)) wait(forward);
      else forward();
    });
    from.on('end', () => void turn.then(() => to.end()));
  }

  #waitFor(from: Socket, to: Socket): void {
    from.pause();
    to.once('drain', () => {
      if (this.#mode !== 'black-hole' && !this.#silent.has(from)) from.resume();
    });
  }
}
