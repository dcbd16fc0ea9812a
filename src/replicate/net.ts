import { completed, type Row } from '../core/row.ts';

/**
 * What to do to one table, in order; within `rows` no key appears twice, and removals come first. The keys of `inserts`,
 * which are whole rows, are not in the table; those of `writes` may be.
 */
export type NetStep =
  | {
      readonly kind: 'rows';
      readonly removes: readonly Row[];
      readonly inserts: readonly Row[];
      readonly writes: readonly Row[];
    }
  | { readonly kind: 'rekey'; readonly before: Row; readonly after: Row }
  | { readonly kind: 'clear' };

/** The net effect of many changes to one table: the last write of each key, key changes that need the old row apart. */
export class TableNet {
  readonly #keys: readonly number[];
  readonly #steps: NetStep[] = [];
  readonly #removes = new Map<string, Row>();
  readonly #writes = new Map<string, Row>();
  /** Keys of writes that began with an insert, and of nothing before it. */
  readonly #inserted = new Set<string>();

  /** `keys` are the positions of the key's columns in every row. */
  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  insert(row: Row): void {
    const key = this.#keyOf(row);
    if (!this.#removes.has(key) && !this.#writes.has(key)) this.#inserted.add(key);
    this.#put(key, row);
  }

  remove(before: Row): void {
    this.#drop(this.#keyOf(before), before);
  }

  /** `before` is null when the key stayed. */
  update(before: Row | null, sent: Row): void {
    const after = before === null ? sent : this.#withKeyFrom(before, sent);
    const key = this.#keyOf(after);
    const oldKey = before === null ? key : this.#keyOf(before);
    const earlier = this.#writes.get(oldKey);
    const known = earlier === undefined ? after : completed(after, earlier);
    if (before === null || oldKey === key) return this.#put(key, known);
    if (known.isWhole) {
      this.#drop(oldKey, before);
      return this.#put(key, known);
    }
    this.#close();
    this.#steps.push({ kind: 'rekey', before, after });
  }

  /** Nothing that came before matters any more. */
  clear(): void {
    this.#steps.length = 0;
    this.#forget();
    this.#steps.push({ kind: 'clear' });
  }

  /** Everything so far, in order. */
  steps(): readonly NetStep[] {
    this.#close();
    return this.#steps;
  }

  #put(key: string, row: Row): void {
    this.#removes.delete(key);
    this.#writes.set(key, row);
  }

  #drop(key: string, row: Row): void {
    this.#writes.delete(key);
    this.#inserted.delete(key);
    this.#removes.set(key, row);
  }

  #close(): void {
    if (this.#removes.size === 0 && this.#writes.size === 0) return;
    const inserts: Row[] = [];
    const writes: Row[] = [];
    for (const [key, row] of this.#writes)
      (this.#inserted.has(key) && row.isWhole ? inserts : writes).push(row);
    this.#steps.push({ kind: 'rows', removes: [...this.#removes.values()], inserts, writes });
    this.#forget();
  }

  #forget(): void {
    this.#removes.clear();
    this.#writes.clear();
    this.#inserted.clear();
  }

  #keyOf(row: Row): string {
    const [first] = this.#keys;
    if (this.#keys.length === 1 && first !== undefined) return String(row.cell(first));
    // No Postgres text holds a zero character.
    return this.#keys.map((at) => String(row.cell(at))).join('\0');
  }

  /** A long key that did not change is not sent in the new row, but is in the old one. */
  #withKeyFrom(before: Row, after: Row): Row {
    return this.#keys.every((at) => after.has(at)) ? after : completed(after, before, this.#keys);
  }
}
