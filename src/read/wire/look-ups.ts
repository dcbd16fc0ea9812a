import { arrayLiteral } from '../../core/array-literal.ts';
import { must } from '../../core/assert.ts';
import { Stop, type StopSignal } from '../../core/stop-signal.ts';
import type { RunOptions, WireRow } from './connection.ts';
import { abortError } from './failure.ts';

/** A statement for one request, and for many of them in one execution. */
export interface LookUpStatement {
  readonly text: string;
  /** Each parameter is an array of what the requests have for it; the last cell of a row is the request's place, from 1. */
  readonly together: string;
}

type Run = (
  text: string,
  values: readonly (string | null)[],
  options: RunOptions,
) => Promise<readonly WireRow[]>;

interface Asked {
  readonly statement: LookUpStatement;
  readonly values: readonly (string | null)[];
  readonly signal: StopSignal;
  readonly resolve: (row: WireRow) => void;
  readonly reject: (error: unknown) => void;
}

/** Most requests that share an execution: beyond it little is saved, and the first would wait for the last. */
const MOST = 32;

/**
 * Look-ups of one turn of the event loop that differ in nothing but their values share an execution: its start, its label,
 * its messages and their system calls cost several times what finding the rows does.
 */
export class LookUps {
  readonly #run: Run;
  readonly #gathered = new Map<string, Asked[]>();

  constructor(run: Run) {
    this.#run = run;
  }

  /** The row that answers one request. */
  ask(statement: LookUpStatement, values: readonly (string | null)[], signal: StopSignal): Promise<WireRow> {
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
      for (let from = 0; from < all.length; from += MOST) {
        const some = all.slice(from, from + MOST);
        const [only, ...others] = some;
        if (only !== undefined && others.length === 0) this.#alone(only);
        else void this.#together(some);
      }
    }
  }

  #alone({ statement, values, signal, resolve, reject }: Asked): void {
    this.#run(statement.text, values, { signal, prepared: true }).then(
      (rows) => resolve(must(rows[0], 'row of a root statement')),
      reject,
    );
  }

  /** What fails for one fails for all, so that each is then asked for by itself and has its own outcome. */
  async #together(all: readonly Asked[]): Promise<void> {
    const waiting = new Waiting(all);
    try {
      const [first] = all;
      const { together } = must(first, 'request of an execution').statement;
      const rows = await this.#run(together, columnsOf(all), { signal: waiting.stop, prepared: true });
      for (const row of rows) all[Number(row.at(-1)) - 1]?.resolve(row);
      waiting.end();
    } catch {
      waiting.end();
      for (const asked of all) this.#alone(asked);
    }
  }
}

/** The clients that wait for one execution: it is given up when none is left. */
class Waiting {
  readonly stop = new Stop();
  readonly #listeners: readonly { readonly signal: StopSignal; readonly leave: () => void }[];
  #left: number;

  constructor(all: readonly Asked[]) {
    this.#left = all.length;
    this.#listeners = all.map(({ signal, reject }) => {
      const leave = (): void => {
        const error = abortError(signal);
        reject(error);
        this.#left -= 1;
        if (this.#left === 0) this.stop.abort(error);
      };
      if (signal.aborted) leave();
      else signal.addEventListener('abort', leave, { once: true });
      return { signal, leave };
    });
  }

  end(): void {
    for (const { signal, leave } of this.#listeners) signal.removeEventListener('abort', leave);
  }
}

/** One array for each parameter. */
function columnsOf(all: readonly Asked[]): readonly string[] {
  const width = all[0]?.values.length ?? 0;
  return Array.from({ length: width }, (_, i) => arrayLiteral(all.map(({ values }) => values[i] ?? null)));
}
