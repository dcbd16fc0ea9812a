import { callOf } from '../../catalog/call/function-arguments.ts';
import type { CallArgument, Column, ComputedField, Table } from '../../catalog/catalog.ts';
import { keptIn } from '../../core/kept-in.ts';
import { tableKey } from '../../core/names.ts';

/** With a number behind it a name stays below the 63 bytes at which Postgres cuts. */
const LONGEST_NAME = 40;

/** A computed field that returns a value, not rows. */
export type ComputedValue = ComputedField & {
  readonly returns: Extract<ComputedField['returns'], { readonly kind: 'scalar' }>;
};

/** Makes columns of the computed values of one plan, so that whatever reads a column reads them too. */
export class ComputedColumns {
  readonly #bare = new Map<string, Column>();
  #count = 0;

  /** The field called without anything from the request: the same column wherever the table is read. */
  bare(table: Table, field: ComputedValue, args: () => readonly CallArgument[]): Column {
    const key = JSON.stringify([table.source, tableKey(table.ref), field.name]);
    return keptIn(this.#bare, key, () => this.called(table, field, args()));
  }

  /** The field called with arguments of the request: a column of its own. */
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

/** Whether a computed field returns a value, not rows. */
export function isValue(field: ComputedField): field is ComputedValue {
  return field.returns.kind === 'scalar';
}
