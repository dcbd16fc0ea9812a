import type { WebSocket } from 'ws';
import type { HeldBytes } from '../held-bytes.ts';

/** How much a client may be behind, alone and among all. */
export interface OutboxBounds {
  readonly limitBytes: number;
  readonly unsent: HeldBytes;
}

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
    this.#send(text);
  }

  /** One text message made of bytes that are UTF-8. */
  sendPieces(pieces: readonly Buffer[]): void {
    this.#send(Buffer.concat(pieces));
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

  #send(data: string | Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const { limitBytes, unsent } = this.#bounds;
    const taken = unsent.add(data.length, () => this.#socket.terminate());
    this.#socket.send(data, { binary: false }, () => {
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
