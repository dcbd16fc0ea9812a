import { type Queryable, sqlStateOf } from '../cache/queryable.ts';
import { type Sink, TableBroken } from './sink.ts';

/** A statement on its way, and what its answer must be. */
export interface Outgoing {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** The table it writes: its failures are that table's. */
  readonly sink?: Sink;
  /** The number of rows it must touch. */
  readonly expected?: number | null;
  readonly isCommit?: boolean;
}

interface Answer {
  readonly command?: string;
  readonly rowCount: number | null;
}

interface NamedQuery {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

const IN_FAILED_TRANSACTION = '25P02';
const MAX_PREPARED = 400;

/** Sends statements without waiting, and tells later how they went: the first failure is the one that counts. */
export class Statements {
  readonly #client: Queryable;
  readonly #names = new Map<string, string>();
  #sent: { readonly outgoing: Outgoing; readonly answer: Promise<Answer> }[] = [];

  constructor(client: Queryable) {
    this.#client = client;
  }

  send(outgoing: Outgoing): void {
    const answer = this.#query(outgoing);
    answer.catch(() => undefined); // looked at in settle()
    this.#sent.push({ outgoing, answer });
  }

  /** Some statement on its way must touch an exact number of rows. */
  get mustBeCounted(): boolean {
    return this.#sent.some(({ outgoing }) => outgoing.expected !== undefined && outgoing.expected !== null);
  }

  /** Waits for all answers; throws the first failure, as TableBroken when it is one table's. */
  async settle(): Promise<void> {
    const sent = this.#sent;
    this.#sent = [];
    const settled = await Promise.allSettled(sent.map(({ answer }) => answer));
    settled.forEach((result, index) => {
      const outgoing = sent[index]?.outgoing;
      if (outgoing === undefined) return;
      if (result.status === 'rejected') throw failureOf(outgoing, result.reason);
      checkAnswer(outgoing, result.value);
    });
  }

  #query({ text, values }: Outgoing): Promise<Answer> {
    if (values === undefined || values.length === 0) return this.#client.query(text);
    const name = this.#nameOf(text);
    if (name === null) return this.#client.query(text, values);
    const named: NamedQuery = { name, text, values };
    const query = this.#client.query.bind(this.#client) as unknown as (query: NamedQuery) => Promise<Answer>;
    return query(named);
  }

  #nameOf(text: string): string | null {
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    if (this.#names.size >= MAX_PREPARED) return null;
    const name = `nj${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }
}

function failureOf({ sink }: Outgoing, reason: unknown): unknown {
  const state = sqlStateOf(reason);
  if (sink === undefined || state === undefined || state === IN_FAILED_TRANSACTION) return reason;
  // Data, constraint, shape or size: copying the table again may cure it. All else is the server's.
  if (!/^(22|23|42|54)/.test(state)) return reason;
  return new TableBroken(sink.table, `its changes could not be written (SQLSTATE ${state})`, reason);
}

function checkAnswer({ sink, expected, isCommit }: Outgoing, answer: Answer): void {
  if (isCommit === true && answer.command !== 'COMMIT')
    throw new Error('the source rolled the transaction back');
  if (sink === undefined || expected === undefined || expected === null || answer.rowCount === expected)
    return;
  throw new TableBroken(
    sink.table,
    `an update met ${answer.rowCount} rows of the copy instead of ${expected}`,
  );
}
