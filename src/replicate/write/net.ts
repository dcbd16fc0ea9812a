import { completed, type Row } from '../../core/rows/row.ts';

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

/** A change does not say which row it is about: no key is null. */
export class Unnamed extends Error {}

/** What became of a key last. An insert began with one, and nothing came before it. */
interface Last {
  kind: 'remove' | 'insert' | 'write';
  row: Row;
}

/** The net effect of many changes to one table: the last write of each key, key changes that need the old row apart. */
export class TableNet {
  readonly #keys: readonly number[];
  readonly #steps: NetStep[] = [];
  readonly #last = new Map<string, Last>();

  /** `keys` are the positions of the key's columns in every row. */
  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  insert(row: Row): void {
    this.#put(this.#keyOf(row), row, 'insert');
  }

  remove(before: Row): void {
    this.#drop(this.#keyOf(before), before);
  }

  /** `before` is null when the key stayed. */
  update(before: Row | null, sent: Row): void {
    const after = before === null ? sent : this.#withKeyFrom(before, sent);
    const key = this.#keyOf(after);
    const oldKey = before === null ? key : this.#keyOf(before);
    const earlier = after.isWhole ? undefined : this.#last.get(oldKey);
    const known = earlier === undefined || earlier.kind === 'remove' ? after : completed(after, earlier.row);
    if (before === null || oldKey === key) return this.#put(key, known, 'write');
    if (known.isWhole) {
      this.#drop(oldKey, before);
      return this.#put(key, known, 'write');
    }
    this.#close();
    this.#steps.push({ kind: 'rekey', before, after });
  }

  /** Nothing that came before matters any more. */
  clear(): void {
    this.#steps.length = 0;
    this.#last.clear();
    this.#steps.push({ kind: 'clear' });
  }

  /** Everything so far, in order. */
  steps(): readonly NetStep[] {
    this.#close();
    return this.#steps;
  }

  /** `kind` is what it means for a key that nothing is known of. */
  #put(key: string, row: Row, kind: 'insert' | 'write'): void {
    const last = this.#last.get(key);
    if (last === undefined) {
      this.#last.set(key, { kind, row });
      return;
    }
    if (last.kind === 'remove') last.kind = 'write';
    last.row = row;
  }

  #drop(key: string, row: Row): void {
    this.#last.set(key, { kind: 'remove', row });
  }

  #close(): void {
    if (this.#last.size === 0) return;
    const removes: Row[] = [];
    const inserts: Row[] = [];
    const writes: Row[] = [];
    for (const { kind, row } of this.#last.values()) {
      if (kind === 'remove') removes.push(row);
      else if (kind === 'insert' && row.isWhole) inserts.push(row);
      else writes.push(row);
    }
    this.#steps.push({ kind: 'rows', removes, inserts, writes });
    this.#last.clear();
  }

  #keyOf(row: Row): string {
    const [first] = this.#keys;
    if (this.#keys.length === 1 && first !== undefined) return named(row, first);
    // No Postgres text holds a zero character.
    return this.#keys.map((at) => named(row, at)).join('\0');
  }

  /** A long key that did not change is not sent in the new row, but is in the old one. */
  #withKeyFrom(before: Row, after: Row): Row {
    return this.#keys.every((at) => after.has(at)) ? after : completed(after, before, this.#keys);
  }
}

function named(row: Row, at: number): string {
  const cell = row.cell(at);
  if (cell === null) throw new Unnamed();
  return String(cell);
}
