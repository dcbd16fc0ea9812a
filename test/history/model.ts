/** One transaction of the target as its log tells of it: the rows it left behind. */
export interface Transaction {
  readonly n: number;
  readonly account: readonly AccountRow[];
  readonly mirror: readonly (readonly [id: number, balance: number, seq: number])[];
  /** All events of the accounts named, after the transaction. */
  readonly events: Readonly<Record<string, readonly (readonly [id: number, n: number])[]>>;
  /** How many rows table flood has now; null when it was left alone. */
  readonly flood: number | null;
}

type AccountRow = readonly [id: number, balance: number, seq: number, note: string | null];

/** Ids of accounts; account 0 counts the transactions. */
export const ACCOUNTS = 12;
/** Length of the notes that Postgres keeps out of line. */
export const NOTE_LENGTH = 2_100;
/** Of all events of an account the newest so many are shown. */
const EVENTS_SHOWN = 3;
const FLOOD_SHOWN = 2;

/** What the readers ask. */
export const QUERY = `{ viewer(order_by: {id: asc}) { id account { id balance seq note } mirror { id balance seq }
  events(order_by: {id: desc}, limit: ${EVENTS_SHOWN}) { id n } flood(order_by: {id: desc}, limit: ${FLOOD_SHOWN}) { id n } } }`;

/** A value that changed with some transactions. */
class Versions<T> {
  readonly #ns: number[] = [];
  readonly #values: T[] = [];

  set(n: number, value: T): void {
    this.#ns.push(n);
    this.#values.push(value);
  }

  at(n: number): T | undefined {
    return this.#values[lastAtMost(this.#ns, n)];
  }
}

/** Every state the target ever had, in commit order. */
export class Model {
  readonly #ends: bigint[] = [];
  readonly #accounts = new Map<number, Versions<string>>();
  readonly #mirrors = new Map<number, Versions<string>>();
  readonly #events = new Map<number, Versions<string>>();
  readonly #flood = new Versions<string>();

  /** The next transaction, with the end of its commit record. */
  add({ n, account, mirror, events, flood }: Transaction, end: bigint): void {
    if (n !== this.#ends.length + 1)
      throw new Error(`transaction ${n} follows ${this.#ends.length} in the log`);
    this.#ends.push(end);
    for (const [id, balance, seq, letter] of account) {
      const note = letter === null ? null : id <= 3 ? letter.repeat(NOTE_LENGTH) : letter;
      versionsOf(this.#accounts, id).set(n, JSON.stringify({ id, balance, seq, note }));
    }
    for (const [id, balance, seq] of mirror) {
      versionsOf(this.#mirrors, id).set(n, JSON.stringify({ id, balance, seq }));
    }
    for (const [id, rows] of Object.entries(events)) {
      const newest = [...rows].sort((a, b) => b[0] - a[0]).slice(0, EVENTS_SHOWN);
      const shown = newest.map(([event, at]) => ({ id: event, n: at }));
      versionsOf(this.#events, Number(id)).set(n, JSON.stringify(shown));
    }
    if (flood !== null) {
      const shown = Array.from({ length: Math.min(flood, FLOOD_SHOWN) }, (_, at) => ({ id: flood - at, n }));
      this.#flood.set(n, JSON.stringify(shown));
    }
  }

  get last(): number {
    return this.#ends.length;
  }

  /** The last transaction whose commit ends at or before the position. */
  lastAt(position: bigint): number {
    return lastAtMost(this.#ends, position) + 1;
  }

  endOf(n: number): bigint {
    return this.#ends[n - 1] ?? 0n;
  }

  /** The answer to QUERY after transaction n, byte for byte. */
  answer(n: number): string {
    const viewers = Array.from({ length: ACCOUNTS }, (_, id) => {
      const account = this.#accounts.get(id)?.at(n) ?? 'null';
      const mirror = this.#mirrors.get(id)?.at(n) ?? 'null';
      const events = this.#events.get(id)?.at(n) ?? '[]';
      const flood = id === 0 ? (this.#flood.at(n) ?? '[]') : '[]';
      return `{"id":${id},"account":${account},"mirror":${mirror},"events":${events},"flood":${flood}}`;
    });
    return `{"data":{"viewer":[${viewers.join(',')}]}}`;
  }
}

/** The place of the last element that is not greater; -1 when all are. */
export function lastAtMost<T extends number | bigint>(sorted: readonly T[], limit: T): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const value = sorted[middle];
    if (value !== undefined && value <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function versionsOf(map: Map<number, Versions<string>>, id: number): Versions<string> {
  const versions = map.get(id) ?? new Versions<string>();
  map.set(id, versions);
  return versions;
}
