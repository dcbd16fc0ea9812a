import type { Writable } from 'node:stream';

/** No more than this waits in our own memory for the server to read it. */
const UNSENT_BYTES = 4 << 20;

/** What one sender writes: bytes, and gates that what follows waits for. */
export interface Letter {
  readonly pieces: Iterator<Buffer | Promise<void>>;
  /** A gate failed; the connection is cut. */
  readonly refused: (reason: unknown) => void;
}

/** Letters to one socket, each whole and in order; they are made only as fast as the server reads them. */
export class Outbox {
  readonly #letters: Letter[] = [];
  #socket: Writable | null = null;
  #isFull = false;
  /** The letter whose gate is closed. */
  #held: Letter | null = null;

  /** Sends the letter once all added before are sent. */
  add(socket: Writable, letter: Letter): void {
    this.#socket = socket;
    this.#letters.push(letter);
    this.#send();
  }

  /** Sends `end` at once instead of what is left of the letter; nothing when none is left. */
  cut(letter: Letter, end: Buffer): void {
    const at = this.#letters.indexOf(letter);
    if (at < 0) return;
    this.#letters[at] = { pieces: [end].values(), refused: letter.refused };
    if (this.#held === letter) this.#held = null;
    this.#send();
  }

  #send(): void {
    const socket = this.#socket;
    while (!this.#isFull && this.#held === null && socket?.writable === true) {
      const [letter] = this.#letters;
      if (letter === undefined) return;
      if (socket.writableLength >= UNSENT_BYTES) return this.#waitForRoom(socket);
      const next = letter.pieces.next();
      if (next.done === true) this.#letters.shift();
      else if (next.value instanceof Promise) this.#hold(letter, next.value, socket);
      else socket.write(next.value);
    }
  }

  #waitForRoom(socket: Writable): void {
    this.#isFull = true;
    socket.once('drain', () => {
      this.#isFull = false;
      this.#send();
    });
  }

  #hold(letter: Letter, gate: Promise<void>, socket: Writable): void {
    this.#held = letter;
    const open = (): void => {
      if (this.#held !== letter) return;
      this.#held = null;
      this.#send();
    };
    const refuse = (reason: unknown): void => {
      // A statement of it failed before: that is the failure, and nothing of it will be committed.
      if (this.#held !== letter) return;
      letter.refused(reason);
      socket.destroy();
    };
    gate.then(open, refuse);
  }
}
