import { must } from '../../core/assert.ts';
import { arrayLiteral } from '../../core/postgres/array-literal.ts';
import type { TextValues } from '../../core/postgres/text-values.ts';
import { systemClock } from '../../core/waiting/clock.ts';
import { Stop, type StopSignal } from '../../core/waiting/stop-signal.ts';
import { abortError } from './failure.ts';
import type { RunOptions, WireRow } from './request.ts';
import { type SharedStatement, Shares } from './shares.ts';

type Run = (text: string, values: TextValues, options: RunOptions) => Promise<readonly WireRow[]>;

interface Asked {
  readonly statement: SharedStatement;
  readonly values: TextValues;
  readonly signal: StopSignal;
  readonly resolve: (row: WireRow) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Short reads of one turn of the event loop that differ in nothing but their values share an execution: its start, its label,
 * its messages and their system calls cost more than what they read.
 */
export class SharedRuns {
  readonly #run: Run;
  readonly #shares: Shares;
  readonly #gathered = new Map<string, Asked[]>();

  constructor(run: Run) {
    this.#run = run;
    this.#shares = new Shares(systemClock);
  }

  /** The row that answers one request. */
  ask(statement: SharedStatement, values: TextValues, signal: StopSignal): Promise<WireRow> {
    return new Promise((resolve, reject) => {
      const asked = { statement, values, signal, resolve, reject };
      const others = this.#gathered.get(statement.text);
      if (others !== undefined) others.push(asked);
      else this.#gathered.set(statement.text, [asked]);
      if (this.#gathered.size === 1 && others === undefined) setImmediate(() => this.#send());
    });
  }

  #send(): void {
    const gathered = [...this.#gathered.values()];
    this.#gathered.clear();
    for (const all of gathered) {
      const most = all.length === 1 ? 1 : this.#most(all);
      for (let from = 0; from < all.length; from += most) {
        const some = all.slice(from, from + most);
        const [only, ...others] = some;
        if (only !== undefined && others.length === 0) this.#alone(only);
        else void this.#together(some);
      }
    }
  }

  #most(all: readonly Asked[]): number {
    const { statement } = must(all[0], 'request of a turn');
    return this.#shares.most(statement, (text) =>
      this.#run(text, columnsOf(all), { signal: null, prepared: false }),
    );
  }

  #alone({ statement, values, signal, resolve, reject }: Asked): void {
    this.#timed({ statement, requests: 1 }, (onTurn) =>
      this.#run(statement.text, values, { signal, prepared: true, onTurn }),
    ).then((rows) => resolve(must(rows[0], 'row of a root statement')), reject);
  }

  /**
   * What fails for one request fails the execution. So each request that has no row by then is run by itself, and has an
   * outcome of its own.
   */
  async #together(all: readonly Asked[]): Promise<void> {
    const { statement } = must(all[0], 'request of an execution');
    const waiting = new Waiting(all);
    const onRow = (row: WireRow): void => waiting.take(row);
    const run = this.#timed({ statement, requests: all.length }, (onTurn) =>
      this.#run(statement.together.text, columnsOf(all), {
        signal: waiting.stop,
        prepared: true,
        onTurn,
        onRow,
      }),
    );
    await run.catch(() => undefined);
    for (const asked of waiting.end()) this.#alone(asked);
  }

  /**
   * Notes how long a session worked on an execution, without the time it waited for others. One that was given up is noted
   * if it had begun and was for several requests.
   */
  async #timed(
    { statement, requests }: { readonly statement: SharedStatement; readonly requests: number },
    run: (onTurn: () => void) => Promise<readonly WireRow[]>,
  ): Promise<readonly WireRow[]> {
    let turnMs: number | null = null;
    let hasAnswered = false;
    try {
      const rows = await run(() => {
        turnMs = systemClock.monotonicMs();
      });
      hasAnswered = true;
      return rows;
    } finally {
      if (turnMs !== null && (hasAnswered || requests > 1))
        this.#shares.took(statement, requests, systemClock.monotonicMs() - turnMs);
    }
  }
}

/** The clients that wait for one execution: it is given up when none of them is left and not all rows have come. */
class Waiting {
  readonly stop = new Stop();
  #rowsToCome: number;
  /** By place, from 1; what ends waiting for the signal of each. */
  readonly #open = new Map<number, { readonly asked: Asked; readonly leave: () => void }>();

  constructor(all: readonly Asked[]) {
    this.#rowsToCome = all.length;
    all.forEach((asked, i) => {
      const place = i + 1;
      this.#open.set(place, { asked, leave: () => this.#leave(place, asked) });
    });
    for (const { asked, leave } of this.#open.values()) {
      if (asked.signal.aborted) leave();
      else asked.signal.addEventListener('abort', leave, { once: true });
    }
  }

  /** Hands a row to whom it answers. */
  take(row: WireRow): void {
    this.#rowsToCome -= 1;
    this.#close(Number(row.at(-1)))?.resolve(row);
  }

  /** Those that have no row. */
  end(): readonly Asked[] {
    return [...this.#open.keys()].flatMap((place) => this.#close(place) ?? []);
  }

  #leave(place: number, { signal, reject }: Asked): void {
    reject(abortError(signal));
    this.#close(place);
  }

  #close(place: number): Asked | null {
    const one = this.#open.get(place);
    if (one === undefined) return null;
    this.#open.delete(place);
    one.asked.signal.removeEventListener('abort', one.leave);
    if (this.#open.size === 0 && this.#rowsToCome > 0) this.stop.abort(new Error('nobody waits'));
    return one.asked;
  }
}

/** One array for each parameter. */
function columnsOf(all: readonly Asked[]): readonly string[] {
  const width = all[0]?.values.length ?? 0;
  return Array.from({ length: width }, (_, i) => arrayLiteral(all.map(({ values }) => values[i] ?? null)));
}
