import { poll } from '../support/poll.ts';
import type { Query, StreamRoot } from './generate-query.ts';
import { disagreement } from './lane-stage.ts';
import type { Listener } from './listener.ts';
import { tableNamed, viewOf, type World } from './world.ts';

/** A row behind a cursor, as plain SQL tells of it: those of one rank may come in any order. */
interface Ahead {
  readonly rank: number;
  /** The cursor's value. */
  readonly at: string;
  readonly row: string;
}

/** A client that follows a stream, held against plain SQL batch by batch. */
export class StreamFollower {
  readonly listener: Listener;
  readonly #world: World;
  /** The stream as it would begin where it stands now. */
  query: Query;
  #stream: StreamRoot;
  readonly #size: number;
  #seen = 0;

  constructor(world: World, query: Query, listener: Listener) {
    const [stream] = query.roots;
    if (stream?.kind !== 'stream') throw new Error('not a stream');
    this.listener = listener;
    this.#world = world;
    this.query = query;
    this.#stream = stream;
    const { limit } = viewOf(tableNamed(world, stream.table), query.role) ?? { limit: 0 };
    this.#size = Math.min(stream.size, limit ?? stream.size);
  }

  /** Waits for the batches of all that is ahead, given what SQL answers to `query`; says what is wrong with them. */
  async follow(sql: string): Promise<string | null> {
    let ahead: readonly Ahead[] = this.#size === 0 ? [] : rowsOf(sql);
    while (ahead.length > 0) {
      const came = (): boolean => this.listener.pushed.length > this.#seen;
      await poll('a batch', came).catch(() => undefined);
      if (!came()) return `no batch behind ${this.#stream.after.text}`;
      const last = ahead[Math.min(this.#size, ahead.length) - 1];
      const wanted = ahead.filter(({ rank }) => rank <= (last?.rank ?? 0));
      const why = this.#compare(this.listener.pushed[this.#seen] ?? '', wanted);
      if (why !== null) return why;
      this.#seen += 1;
      this.#stream = { ...this.#stream, after: { text: last?.at ?? '', json: null } };
      this.query = { ...this.query, roots: [this.#stream] };
      ahead = ahead.filter(({ rank }) => rank > (last?.rank ?? 0));
    }
    return this.listener.pushed.length > this.#seen ? 'more than is there' : null;
  }

  #compare(answer: string, wanted: readonly Ahead[]): string | null {
    if (answer.startsWith('error')) return answer;
    const rows = rowsOf(answer).map((row) => JSON.stringify(row));
    if (rows.length !== wanted.length) return `${rows.length} rows in the place of ${wanted.length}`;
    const left = [...wanted];
    for (const [i, cached] of rows.entries()) {
      const found = left.findIndex(
        ({ rank, row }) =>
          rank === wanted[i]?.rank && disagreement(this.#world, this.query, { cached, sql: row }) === null,
      );
      if (found === -1) return `row ${i} of a batch`;
      left.splice(found, 1);
    }
    return null;
  }
}

/** The rows of an answer's only root field, which may lie in a namespace. */
function rowsOf<T>(answer: string): readonly T[] {
  let value: unknown = JSON.parse(answer);
  while (typeof value === 'object' && value !== null && !Array.isArray(value))
    value = Object.values(value)[0];
  return value as readonly T[];
}
