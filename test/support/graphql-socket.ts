import { WebSocket } from 'ws';
import { poll } from './poll.ts';

/** A message of the server, parsed. */
export interface Heard {
  readonly type: string;
  readonly id?: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into messages freely
  readonly payload?: any;
}

export interface SocketAsking {
  readonly protocol?: 'graphql-transport-ws' | 'graphql-ws' | null;
  /** Of the handshake. */
  readonly headers?: Record<string, string>;
}

const WORDS = {
  'graphql-transport-ws': { start: 'subscribe', stop: 'complete', answer: 'next' },
  'graphql-ws': { start: 'start', stop: 'stop', answer: 'data' },
};

/** A client of the GraphQL WebSocket that remembers what it has heard. */
export class GraphqlSocket {
  readonly socket: WebSocket;
  /** Everything heard but keep-alives, in order. */
  readonly heard: Heard[] = [];
  /** The texts of the messages, as they came. */
  readonly texts: string[] = [];
  closed: { readonly code: number; readonly reason: string } | null = null;
  keepAlives = 0;
  readonly #words: (typeof WORDS)['graphql-ws'];

  private constructor(socket: WebSocket, words: (typeof WORDS)['graphql-ws']) {
    this.socket = socket;
    this.#words = words;
    socket.on('message', (data) => this.#hear(Buffer.isBuffer(data) ? data.toString('utf8') : ''));
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString('utf8') };
    });
    socket.on('error', () => undefined);
  }

  /** Completes the handshake; says nothing yet. */
  static async open(url: string, asking: SocketAsking = {}): Promise<GraphqlSocket> {
    const { protocol = 'graphql-transport-ws', headers = {} } = asking;
    const address = `${url.replace(/^http/, 'ws')}/v1/graphql`;
    const socket = new WebSocket(address, protocol === null ? [] : [protocol], { headers });
    const client = new GraphqlSocket(socket, WORDS[protocol ?? 'graphql-ws']);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  /** Opens a socket and is let in. */
  static async connect(
    url: string,
    headers: Record<string, string> = {},
    asking: SocketAsking = {},
  ): Promise<GraphqlSocket> {
    const client = await GraphqlSocket.open(url, asking);
    client.say({ type: 'connection_init', payload: { headers } });
    await client.untilHeard('connection_ack');
    return client;
  }

  say(message: object | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  start(id: string, query: string, more: object = {}): void {
    this.say({ id, type: this.#words.start, payload: { query, ...more } });
  }

  stop(id: string): void {
    this.say({ id, type: this.#words.stop });
  }

  /** The payloads of an operation's answers so far. */
  answers(id: string): readonly unknown[] {
    return this.heard
      .filter((message) => message.type === this.#words.answer && message.id === id)
      .map(({ payload }) => payload);
  }

  /** Waits for the first message of a type, of one operation when `id` is given. */
  async untilHeard(type: string, id?: string): Promise<Heard> {
    const find = (): Heard | undefined =>
      this.heard.find((message) => message.type === type && (id === undefined || message.id === id));
    await this.#until(`${type} ${id ?? ''}`, () => find() !== undefined);
    return find() as Heard;
  }

  /** Waits until the newest answer of an operation is this; answers before it may be anything. */
  async untilAnswer(id: string, payload: unknown): Promise<void> {
    const wanted = JSON.stringify(payload);
    await this.#until(`answer ${wanted}`, () => JSON.stringify(this.answers(id).at(-1)) === wanted);
  }

  async untilClosed(): Promise<{ readonly code: number; readonly reason: string }> {
    await poll('the end of the socket', () => this.closed !== null);
    return this.closed as NonNullable<typeof this.closed>;
  }

  close(): void {
    this.socket.terminate();
  }

  #hear(text: string): void {
    const message = JSON.parse(text) as Heard;
    if (message.type === 'ka' || message.type === 'ping') {
      this.keepAlives += 1;
      return;
    }
    this.heard.push(message);
    this.texts.push(text);
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    await poll(what, isSo).catch((error: unknown) => {
      const said = { heard: this.heard.slice(-5), closed: this.closed };
      throw new Error(`${String(error)}: ${JSON.stringify(said)}`);
    });
  }
}
