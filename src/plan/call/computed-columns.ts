import { callOf } from '../../catalog/call/function-arguments.ts';
import type { CallArgument, Column, ComputedField, Table } from '../../catalog/catalog.ts';
import { tableKey } from '../../core/names.ts';

/** Names that Postgres does not cut, also with a number behind them. */
const LONGEST_NAME = 40;

/** A computed field that is a value. */
export type ComputedValue = ComputedField & {
  readonly returns: Extract<ComputedField['returns'], { readonly kind: 'scalar' }>;
};

/** Computed fields of one plan as columns that their tables do not have: whatever reads a column reads them too. */
export class ComputedColumns {
  readonly #bare = new Map<string, Column>();
  #count = 0;

  /** The field as it is without anything of the request: one column for all places of its table. */
  bare(table: Table, field: ComputedValue, args: () => readonly CallArgument[]): Column {
    const key = JSON.stringify([table.source, tableKey(table.ref), field.name]);
    const column = this.#bare.get(key) ?? this.called(table, field, args());
    this.#bare.set(key, column);
    return column;
  }

  /** The field as one place of the request calls it. */
  called(table: Table, field: ComputedValue, args: readonly CallArgument[]): Column {
    const { name, description, signature, returns } = field;
    const { ownLocale } = table;
    return {
      name: this.#freeName(table, name),
      field: name,
      type: returns.type,
      notNull: false,
      generated: false,
      description,
      enumTable: null,
      upperCased: false,
      ...(ownLocale === undefined ? {} : { ownLocale }),
      computed: { field: name, call: callOf(signature, args) },
    };
  }

  #freeName(table: Table, field: string): string {
    for (;;) {
      this.#count += 1;
      const name = `${field.slice(0, LONGEST_NAME)}() ${this.#count}`;
      if (!table.columnByName.has(name)) return name;
    }
  }
}

/** Whether a computed field is a value, and no rows. */
export function isValue(field: ComputedField): field is ComputedValue {
  return field.returns.kind === 'scalar';
}
