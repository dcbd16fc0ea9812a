import { messageOf } from '../core/errors.ts';
import { LEAVE_MS } from '../core/waiting/after-abort.ts';
import type { Log } from '../ops/log.ts';

interface Opened {
  readonly what: string;
  readonly close: () => Promise<void>;
}

/** Closes what a process has opened, in reverse order, each in a bounded time; one that fails does not keep the others open. */
export class Closing {
  readonly #log: Log;
  readonly #timeoutMs: number;
  #opened: Opened[] = [];

  constructor(log: Log, timeoutMs: number) {
    this.#log = log;
    this.#timeoutMs = timeoutMs;
  }

  /** Remembers how to close something that has just been opened. */
  add(what: string, close: () => Promise<void>): void {
    this.#opened.push({ what, close });
  }

  /** Closes everything; a second call finds nothing left. */
  async closeAll(): Promise<void> {
    const opened = this.#opened.reverse();
    this.#opened = [];
    for (const { what, close } of opened) await this.#closeOne(what, close);
  }

  async #closeOne(what: string, close: () => Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      // What cuts its work off when the time is up needs a moment more, also in a process that stood still until then.
      timer = setTimeout(() => {
        timer = setTimeout(() => resolve('late'), LEAVE_MS);
      }, this.#timeoutMs);
    });
    try {
      if ((await Promise.race([close(), late])) === 'late') this.#log.warn({ what }, 'not closed in time');
    } catch (error) {
      this.#log.warn({ what, reason: messageOf(error) }, 'not closed cleanly');
    } finally {
      clearTimeout(timer);
    }
  }
}
