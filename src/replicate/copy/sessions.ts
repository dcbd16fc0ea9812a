import { applicationName, Session } from '../session.ts';

/** What a copy's sessions are opened with. */
export interface CopySessionsOptions {
  readonly sourceUrl: string;
  readonly leader: string;
  /** Cuts those that are being opened. */
  readonly signal: AbortSignal;
}

const SETTINGS = {
  // Copies are made ready by the stream's session, later in the same log: what is lost of it in a crash of the source is
  // lost from its end.
  synchronous_commit: 'off',
};

/** Sessions to the source for copying, each for one work at a time and kept for the next until no copy is under way. */
export class CopySessions {
  readonly #options: CopySessionsOptions;
  readonly #idle = new Set<Session>();
  /** Sessions being opened ahead; null when that failed, as the next opening will report. */
  readonly #prepared: Promise<Session | null>[] = [];

  constructor(options: CopySessionsOptions) {
    this.#options = options;
  }

  /** Opens sessions ahead, which will be used in a moment. */
  prepare(count: number): void {
    for (let at = this.#idle.size + this.#prepared.length; at < count; at += 1)
      this.#prepared.push(this.#open().catch(() => null));
  }

  /** Runs the work on a session, which the signal cuts. */
  async use<T>(work: (session: Session) => Promise<T>, stop: AbortSignal): Promise<T> {
    const session = this.#kept() ?? (await this.#prepared.shift()) ?? (await this.#open());
    const cut = (): void => void session.close();
    stop.addEventListener('abort', cut);
    try {
      stop.throwIfAborted();
      const result = await work(session);
      if (!stop.aborted) this.#idle.add(session);
      return result;
    } finally {
      stop.removeEventListener('abort', cut);
      if (!this.#idle.has(session)) await session.close();
    }
  }

  /** Closes those that nobody uses. */
  async close(): Promise<void> {
    const idle = [...this.#idle, ...this.#prepared.splice(0)];
    this.#idle.clear();
    await Promise.all(idle.map(async (session) => (await session)?.close()));
  }

  #kept(): Session | null {
    for (const session of this.#idle) {
      this.#idle.delete(session);
      return session;
    }
    return null;
  }

  async #open(): Promise<Session> {
    const { sourceUrl, leader, signal } = this.#options;
    const session = await Session.open(
      { url: sourceUrl, applicationName: applicationName(leader), settings: SETTINGS },
      signal,
    );
    void session.lost.then(() => this.#idle.delete(session));
    return session;
  }
}
