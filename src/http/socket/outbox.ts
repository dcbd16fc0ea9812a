import type { WebSocket } from 'ws';

/** What a socket sends; knows whether the client reads as fast as we write. */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #limitBytes: number;
  readonly #onRoom: () => void;
  readonly #waiting = new Set<() => void>();
  #isFull = false;

  /** Past `limitBytes` not yet taken by the network nothing more is offered to the client until most of it is gone. */
  constructor(socket: WebSocket, limitBytes: number, onRoom: () => void) {
    this.#socket = socket;
    this.#limitBytes = limitBytes;
    this.#onRoom = onRoom;
  }

  /** Whether the client is behind: answers that can be had again later are not worth keeping for it. */
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

  /** The socket is gone: whoever waits goes on and finds that out. */
  end(): void {
    if (this.#isFull) this.#socket.resume();
    this.#isFull = false;
    this.#wakeAll();
  }

  #send(data: string | Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(data, { binary: false }, () => this.#sent());
    if (this.#isFull || this.#socket.bufferedAmount <= this.#limitBytes) return;
    this.#isFull = true;
    // Nor does it get to ask for more.
    this.#socket.pause();
  }

  #sent(): void {
    if (!this.#isFull || this.#socket.bufferedAmount > this.#limitBytes / 4) return;
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
