import { GraphqlSocket } from '../support/graphql-socket.ts';
import type { Request } from './graphql-of.ts';

/** Who listens, and how. */
export interface Listening {
  readonly protocol: 'graphql-transport-ws' | 'graphql-ws';
  /** Said in `connection_init`: role, session, wish for freshness. */
  readonly headers: Readonly<Record<string, string>>;
}

const ID = 's';

/** A client with one subscription, and what it was told. */
export class Listener {
  readonly #socket: GraphqlSocket;
  readonly #before: string;

  private constructor(socket: GraphqlSocket, { protocol }: Listening) {
    this.#socket = socket;
    const type = protocol === 'graphql-ws' ? 'data' : 'next';
    this.#before = `{"type":"${type}","id":"${ID}","payload":`;
  }

  static async open(url: string, { query, variables }: Request, how: Listening): Promise<Listener> {
    const { protocol, headers } = how;
    const socket = await GraphqlSocket.connect(url, headers, { protocol });
    socket.start(ID, query, { variables });
    return new Listener(socket, how);
  }

  /** What stands under `data` in every answer so far, byte by byte, or the error; whatever else was said is one too. */
  get pushed(): readonly string[] {
    return this.#socket.texts.slice(1).map((text) => {
      const payload = text.startsWith(this.#before) ? text.slice(this.#before.length, -1) : text;
      return payload.startsWith('{"data":') ? payload.slice('{"data":'.length, -1) : `error: ${payload}`;
    });
  }

  close(): void {
    this.#socket.close();
  }
}
