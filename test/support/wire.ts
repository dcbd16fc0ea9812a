import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A connection of this process with itself, to tell what is read between two pieces of work. */
export class Wire {
  readonly #near: Socket;
  readonly #far: Socket;

  private constructor(near: Socket, far: Socket) {
    this.#near = near;
    this.#far = far;
  }

  static async open(): Promise<Wire> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const accepted = once(server, 'connection');
    const near = connect(address.port, '127.0.0.1');
    const [far] = (await accepted) as [Socket];
    server.close();
    return new Wire(near, far);
  }

  /** Resolves while something that has arrived is being dealt with; what is in it once the next has been read, which waits by now. */
  async arrival(): Promise<{ readonly next: Promise<unknown> }> {
    this.#far.write('one request');
    await once(this.#near, 'data');
    const next = once(this.#far, 'data');
    this.#near.write('another');
    return { next };
  }

  close(): void {
    this.#near.destroy();
    this.#far.destroy();
  }
}
