import { settleable } from '../../src/core/waiting/settleable.ts';
import { type Ends, type Relay, startRelay } from './relay.ts';

/** A line to a server on which one execution waits: its statement has its snapshot, and nothing of it is worked out yet. */
export interface HeldLine extends Relay {
  /** Settles when it waits. */
  readonly waits: Promise<void>;
  letGo(): void;
}

/** Starts a line that holds the first execution of a statement whose text holds the words. */
export async function startHeldLine(
  to: { readonly host: string; readonly port: number },
  words: string,
): Promise<HeldLine> {
  const [waits, isOver] = [settleable<void>(), settleable<void>()];
  let isHeld = false;
  const carry = ({ client, server }: Ends): void => {
    const messages = new Messages();
    let isMeant = false;
    server.on('data', (data) => client.write(data));
    const forward = async (data: Buffer): Promise<void> => {
      client.pause();
      for (const message of messages.taken(data)) {
        const [type] = message.toString('latin1');
        if (type === 'P') isMeant = message.includes(words);
        if (type === 'E' && isMeant && !isHeld) {
          isHeld = true;
          waits.resolve();
          await isOver.promise;
        }
        server.write(message);
      }
      client.resume();
    };
    client.on('data', (data) => void forward(data).catch(() => client.destroy()));
  };
  return { ...(await startRelay(to, carry)), waits: waits.promise, letGo: () => isOver.resolve() };
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
