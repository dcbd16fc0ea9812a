import type { CellRow } from '../cache/row-source.ts';
import { type Cell, UNCHANGED } from '../core/change.ts';

/** What to do to one table, in order; within `rows` no key appears twice, and removals come first. */
export type NetStep =
  | { readonly kind: 'rows'; readonly removes: readonly CellRow[]; readonly writes: readonly CellRow[] }
  | { readonly kind: 'rekey'; readonly before: CellRow; readonly after: CellRow }
  | { readonly kind: 'clear' };

/** The net effect of many changes to one table: the last write of each key, key changes that need the old row apart. */
export class TableNet {
  readonly #keys: readonly number[];
  readonly #steps: NetStep[] = [];
  #removes = new Map<string, CellRow>();
  #writes = new Map<string, CellRow>();

  /** `keys` are the positions of the key's columns in every row. */
  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  insert(row: CellRow): void {
    this.#put(this.#keyOf(row), row);
  }

  remove(before: CellRow): void {
    this.#drop(this.#keyOf(before), before);
  }

  /** `before` is null when the key stayed. */
  update(before: CellRow | null, sent: CellRow): void {
    const after = before === null ? sent : this.#withKeyFrom(before, sent);
    const key = this.#keyOf(after);
    const oldKey = before === null ? key : this.#keyOf(before);
    const known = filled(after, this.#writes.get(oldKey));
    if (before === null || oldKey === key) return this.#put(key, known);
    if (!known.includes(UNCHANGED)) {
      this.#drop(oldKey, before);
      return this.#put(key, known);
    }
    this.#close();
    this.#steps.push({ kind: 'rekey', before, after });
  }

  /** Nothing that came before matters any more. */
  clear(): void {
    this.#steps.length = 0;
    this.#removes.clear();
    this.#writes.clear();
    this.#steps.push({ kind: 'clear' });
  }

  /** Everything so far, in order. */
  steps(): readonly NetStep[] {
    this.#close();
    return this.#steps;
  }

  #put(key: string, row: CellRow): void {
    this.#removes.delete(key);
    this.#writes.set(key, row);
  }

  #drop(key: string, row: CellRow): void {
    this.#writes.delete(key);
    this.#removes.set(key, row);
  }

  #close(): void {
    if (this.#removes.size === 0 && this.#writes.size === 0) return;
    this.#steps.push({
      kind: 'rows',
      removes: [...this.#removes.values()],
      writes: [...this.#writes.values()],
    });
    this.#removes = new Map();
    this.#writes = new Map();
  }

  #keyOf(row: CellRow): string {
    const [first] = this.#keys;
    if (this.#keys.length === 1 && first !== undefined) return String(row[first]);
    // No Postgres text holds a zero character.
    return this.#keys.map((at) => String(row[at])).join('\0');
  }

  /** A long key that did not change is not sent in the new row, but is in the old one. */
  #withKeyFrom(before: CellRow, after: CellRow): CellRow {
    if (!this.#keys.some((at) => after[at] === UNCHANGED)) return after;
    return after.map((cell, at) =>
      cell === UNCHANGED && this.#keys.includes(at) ? (before[at] ?? null) : cell,
    );
  }
}

function filled(row: CellRow, earlier: CellRow | undefined): CellRow {
  if (earlier === undefined || !row.includes(UNCHANGED)) return row;
  return row.map((cell: Cell, at) => (cell === UNCHANGED ? (earlier[at] ?? null) : cell));
}
