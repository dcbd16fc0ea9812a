import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A line to a server on which one execution waits: its statement has its snapshot, and nothing of it is worked out yet. */
export interface HeldLine extends AsyncDisposable {
  through(url: string): string;
  /** Settles when it waits. */
  readonly waits: Promise<void>;
  letGo(): void;
}

/** Starts a line that holds the first execution of a statement whose text holds the words. */
export async function startHeldLine(
  to: { readonly host: string; readonly port: number },
  words: string,
): Promise<HeldLine> {
  const [waits, isOver] = [new Gate(), new Gate()];
  const sockets = new Set<Socket>();
  let isHeld = false;
  const server = createServer((client) => {
    const behind = connect(to);
    const messages = new Messages();
    let isMeant = false;
    for (const socket of [client, behind]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => [client, behind].forEach((one) => void one.destroy()));
    }
    behind.on('data', (data) => client.write(data));
    const forward = async (data: Buffer): Promise<void> => {
      client.pause();
      for (const message of messages.taken(data)) {
        const [type] = message.toString('latin1');
        if (type === 'P') isMeant = message.includes(words);
        if (type === 'E' && isMeant && !isHeld) {
          isHeld = true;
          waits.open();
          await isOver.opened;
        }
        behind.write(message);
      }
      client.resume();
    };
    client.on('data', (data) => void forward(data).catch(() => client.destroy()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the line does not listen');
  return {
    through: (url) => Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(address.port) }).href,
    waits: waits.opened,
    letGo: () => isOver.open(),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

class Gate {
  readonly opened: Promise<void>;
  #open = (): void => undefined;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open();
  }
}

/** What a client sends, in messages; the first has no type. */
class Messages {
  #rest = Buffer.alloc(0);
  #isFirst = true;

  *taken(data: Buffer): Generator<Buffer> {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (;;) {
      const at = this.#isFirst ? 0 : 1;
      if (this.#rest.length < at + 4) return;
      const end = at + this.#rest.readInt32BE(at);
      if (this.#rest.length < end) return;
      const message = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
      this.#isFirst = false;
      yield message;
    }
  }
}
