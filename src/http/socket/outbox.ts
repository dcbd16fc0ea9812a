import type { WebSocket } from 'ws';
import type { HeldBytes } from '../held-bytes.ts';

/** How much a client may be behind, alone and among all. */
export interface OutboxBounds {
  readonly limitBytes: number;
  readonly unsent: HeldBytes;
}

/** A longer answer is not copied for each of those who are sent it: its message has three parts. */
const WHOLE_BYTES = 16_384;

/** A message, or what it begins, goes on or ends with. */
interface Part {
  readonly fin: boolean;
  /** Others may be sent the same bytes. */
  readonly isShared: boolean;
}

const WHOLE: Part = { fin: true, isShared: false };

/** What a socket sends; knows whether the client reads as fast as we write. */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #bounds: OutboxBounds;
  readonly #onRoom: () => void;
  readonly #waiting = new Set<() => void>();
  #isFull = false;

  /** When more than `limitBytes` wait for the network, the client counts as behind until most of them are gone. */
  constructor(socket: WebSocket, bounds: OutboxBounds, onRoom: () => void) {
    this.#socket = socket;
    this.#bounds = bounds;
    this.#onRoom = onRoom;
  }

  /** Whether the client is behind: it is sent no live query's answer then, since a newer one will come. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Bytes on their way. */
  get pendingBytes(): number {
    return this.#socket.bufferedAmount;
  }

  sendText(text: string): void {
    this.#send(text, WHOLE);
  }

  /** One text message with an answer's bytes in it, which are UTF-8 and stay as they are: others may be sent the same. */
  sendAround(answer: Buffer, { before, after }: { readonly before: string; readonly after: string }): void {
    if (answer.length <= WHOLE_BYTES) {
      this.#send(Buffer.concat([Buffer.from(before), answer, Buffer.from(after)]), WHOLE);
      return;
    }
    this.#send(before, { fin: false, isShared: false });
    this.#send(answer, { fin: false, isShared: true });
    this.#send(after, WHOLE);
  }

  /** Resolves when there is room, or the socket is gone. */
  async room(): Promise<void> {
    if (!this.#isFull) return;
    await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** The socket is gone: who waits for room is let go, and finds that out. */
  end(): void {
    if (this.#isFull) this.#socket.resume();
    this.#isFull = false;
    this.#wakeAll();
  }

  #send(data: string | Buffer, { fin, isShared }: Part): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const { limitBytes, unsent } = this.#bounds;
    const drop = (): void => this.#socket.terminate();
    const taken = isShared ? unsent.share(data, drop) : unsent.add(data.length, drop);
    this.#socket.send(data, { binary: false, fin }, () => {
      taken();
      this.#sent();
    });
    if (this.#isFull || this.#socket.bufferedAmount <= limitBytes) return;
    this.#isFull = true;
    // Nor does it get to ask for more.
    this.#socket.pause();
  }

  #sent(): void {
    if (!this.#isFull || this.#socket.bufferedAmount > this.#bounds.limitBytes / 4) return;
    this.#isFull = false;
    this.#socket.resume();
    this.#wakeAll();
    this.#onRoom();
  }

  #wakeAll(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
