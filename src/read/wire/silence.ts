import { Unserved } from './failure.ts';

/** When silence tells something, and what. */
export interface SilenceOptions {
  /** Nothing is thought of a silence shorter than this. */
  readonly silenceMs: number;
  /** Whether the server is at work for the session; throws when nobody says. */
  readonly isServed: () => Promise<boolean>;
  /** Told why the session was given up: it may be so with other sessions too. */
  readonly onUnserved: (why: unknown) => void;
}

/** Finds out whether the server still works for a session that waits and hears nothing. */
export class Silence {
  readonly #options: SilenceOptions;
  readonly #isWaiting: () => boolean;
  readonly #giveUp: (why: unknown) => void;
  #heard = 0;
  #isTimed = false;
  #isAsking = false;

  constructor(options: SilenceOptions, isWaiting: () => boolean, giveUp: (why: unknown) => void) {
    this.#options = options;
    this.#isWaiting = isWaiting;
    this.#giveUp = giveUp;
  }

  /** Something came from the server. */
  heard(): void {
    this.#heard += 1;
  }

  /** Something is asked of the server. A timer for each request would cost more than many requests do. */
  begin(): void {
    if (this.#isTimed) return;
    this.#isTimed = true;
    const heard = this.#heard;
    const look = (): void => {
      this.#isTimed = false;
      if (!this.#isWaiting()) return;
      this.begin();
      if (heard === this.#heard) void this.look();
    };
    setTimeout(look, this.#options.silenceMs).unref();
  }

  /** Asks at once. */
  async look(): Promise<void> {
    const { isServed, onUnserved } = this.#options;
    if (this.#isAsking) return;
    this.#isAsking = true;
    const heard = this.#heard;
    const why = await isServed().then(
      (served) => (served ? null : new Unserved()),
      (error: unknown) => error,
    );
    this.#isAsking = false;
    if (why === null || heard !== this.#heard || !this.#isWaiting()) return;
    this.#giveUp(why);
    onUnserved(why);
  }
}
