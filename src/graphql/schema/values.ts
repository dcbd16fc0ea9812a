import type { GraphQLEnumType, GraphQLList, GraphQLNonNull, GraphQLScalarType } from 'graphql';
import { type Catalog, type Column, type ColumnType, findTable, type Table } from '../../catalog/catalog.ts';
import type { Spelling } from '../../catalog/part/spelling.ts';
import { printTable } from '../../core/names.ts';
import { selectColumns } from '../../plan/argument/enumeration.ts';
import type { VisibleTable } from '../../plan/role/visible.ts';
import { type EnumValue, listOf, type TypeRegistry } from './named.ts';

/** The GraphQL type of a column's value, before nullability. */
export type ValueType = GraphQLScalarType | GraphQLEnumType | GraphQLList<GraphQLNonNull<GraphQLScalarType>>;

const ORDERINGS: readonly (readonly [string, string])[] = [
  ['asc', 'in ascending order, nulls last'],
  ['asc_nulls_first', 'in ascending order, nulls first'],
  ['asc_nulls_last', 'in ascending order, nulls last'],
  ['desc', 'in descending order, nulls first'],
  ['desc_nulls_first', 'in descending order, nulls first'],
  ['desc_nulls_last', 'in descending order, nulls last'],
];

/** The types of values: scalars, enums of enum tables, column lists, orderings. */
export class ValueTypes {
  readonly #catalog: Catalog;
  readonly #registry: TypeRegistry;

  constructor(catalog: Catalog, registry: TypeRegistry) {
    this.#catalog = catalog;
    this.#registry = registry;
  }

  ofColumn(table: Table, column: Column): ValueType {
    return this.enumOf(table, column) ?? this.plain(column.type);
  }

  /** The GraphQL enum of a column that points into an enum table; null for all others. */
  enumOf(table: Table, column: Column): GraphQLEnumType | null {
    if (column.enumTable === null) return null;
    const target = findTable(this.#catalog, table.source, column.enumTable);
    if (target === undefined || target.enumValues === null) return null;
    const values = target.enumValues.map(({ value, description }) => ({
      name: target.spelling.enumValue(value),
      description,
    }));
    return this.#registry.enumeration(target.derivedType('_enum'), values, null);
  }

  /** The columns that `distinct_on` and `count` may name; null when the role sees none. */
  selectColumns(view: VisibleTable): GraphQLEnumType | null {
    const { name } = selectColumns(view);
    const { query, ref } = view.table;
    // Hasura does not describe the columns of a native query.
    const description = query === undefined ? `select columns of table "${printTable(ref)}"` : null;
    return this.columnEnum(name, fieldsOf(view), description);
  }

  /** An enum of some columns. */
  columnEnum(name: string, columns: readonly Column[], description: string | null): GraphQLEnumType | null {
    if (columns.length === 0) return null;
    const values = columns.map((column): EnumValue => ({ name: column.field, description: 'column name' }));
    return this.#registry.enumeration(name, values, description);
  }

  /** `order_by`: one type for all sources with the same naming convention. */
  ordering({ type, enumValue }: Spelling): GraphQLEnumType {
    const values = ORDERINGS.map(([value, description]) => ({ name: enumValue(value), description }));
    return this.#registry.enumeration(type('order_by'), values, 'column ordering options');
  }

  /** The type of a value that is no reference into an enum table. */
  plain(type: ColumnType): ValueType {
    const scalar = this.#registry.scalar(type.scalar);
    return type.kind === 'array' ? listOf(scalar) : scalar;
  }
}

/** The visible columns that can be asked for: of several with the same field name only one can. */
export function fieldsOf(view: VisibleTable): readonly Column[] {
  return view.columns.filter((column) => view.table.columnByField.get(column.field) === column);
}
