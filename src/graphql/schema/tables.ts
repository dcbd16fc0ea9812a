import {
  GraphQLBoolean,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  GraphQLInt,
  GraphQLObjectType,
  type GraphQLOutputType,
  GraphQLString,
} from 'graphql';
import type { Callable, Column, ColumnType, ComputedField } from '../../catalog/catalog.ts';
import { isJsonType } from '../../catalog/conditions/operators.ts';
import { printTable } from '../../core/names.ts';
import type { AggregateFunction } from '../../plan/plan.ts';
import {
  aggregateField,
  showingPermissions,
  type VisibleComputed,
  type VisibleRelationship,
  type VisibleRootField,
  type VisibleTable,
  visibleComputedFields,
  visibleRelationships,
} from '../../plan/role/visible.ts';
import type { VisibleFunctionField } from '../../plan/role/visible-calls.ts';
import {
  AGGREGATE_FUNCTIONS,
  columnsFor,
  computedFor,
  resultScalar,
} from '../../plan/select/aggregate-functions.ts';
import { callArguments } from './calls.ts';
import { InputTypes, type Kit } from './inputs.ts';
import { listOf, required, sorted } from './named.ts';
import { streamArguments } from './streams.ts';
import { fieldsOf } from './values.ts';

/** A field of a type, by name. */
export type Field = readonly [string, GraphQLFieldConfig<unknown, unknown>];

/** The output types of tables, and the fields that lead to them. */
export class TableTypes {
  readonly #kit: Kit;
  readonly #inputs: InputTypes;

  constructor(kit: Kit) {
    this.#kit = kit;
    this.#inputs = new InputTypes(kit);
  }

  /** A root field of a table; null when the role sees nothing of a row, since its type would have no fields. */
  rootField({ kind, root, target }: VisibleRootField): Field | null {
    const { description } = root;
    if (kind === 'select_aggregate') {
      return [
        root.name,
        { type: required(this.#aggregate(target)), args: this.#arguments(target), description },
      ];
    }
    if (!this.#hasFields(target)) return null;
    const row = this.row(target);
    if (kind === 'select') {
      return [root.name, { type: required(listOf(row)), args: this.#arguments(target), description }];
    }
    if (kind === 'select_stream') {
      const args = streamArguments(this.#kit, this.#inputs, target);
      return [root.name, { type: required(listOf(row)), args, description }];
    }
    return [root.name, { type: row, args: this.#keyArguments(target), description }];
  }

  /** A root field that calls a function; its rows have the type of `target`. */
  functionField({ kind, root, called }: VisibleFunctionField, target: VisibleTable): Field | null {
    const { set } = called;
    const args = { ...this.#given(called, root.name), ...this.#arguments(target) };
    if (kind === 'aggregate')
      return [root.name, { type: required(this.#aggregate(target)), args, description: root.description }];
    if (!this.#hasFields(target)) return null;
    const row = this.row(target);
    return [root.name, { type: set ? required(listOf(row)) : row, args, description: root.description }];
  }

  #given({ signature, argsType: type }: Callable, field: string): GraphQLFieldConfigArgumentMap {
    const description =
      signature.statement === undefined
        ? `input parameters for function "${field}"`
        : `${signature.ref.name} Native Query Arguments`;
    return callArguments(this.#kit.registry, signature, { type, description });
  }

  /** Whether the role sees a column, a relationship or a computed field. A type needs at least one field. */
  #hasFields(view: VisibleTable): boolean {
    const { catalog } = this.#kit;
    return (
      fieldsOf(view).length > 0 ||
      visibleRelationships(catalog, view).length > 0 ||
      visibleComputedFields(catalog, view).length > 0
    );
  }

  /** The type of a row. */
  row(view: VisibleTable): GraphQLObjectType {
    const { table } = view;
    return this.#kit.registry.once(table.typeName, (name) => {
      const { description } = table;
      return new GraphQLObjectType({ name, description, fields: () => sorted(this.#rowFields(view)) });
    });
  }

  #rowFields(view: VisibleTable): readonly Field[] {
    const columns = fieldsOf(view).map((column): Field => [column.field, this.#column(view, column)]);
    const related = visibleRelationships(this.#kit.catalog, view).flatMap((step) =>
      this.#relationship(view, step),
    );
    const computed = visibleComputedFields(this.#kit.catalog, view).flatMap((step) =>
      this.#computed(view, step),
    );
    return [...columns, ...related, ...computed];
  }

  #column(view: VisibleTable, column: Column): GraphQLFieldConfig<unknown, unknown> {
    const type = this.#kit.values.ofColumn(view.table, column);
    const isAlwaysShown = showingPermissions(view, column) === null;
    const config = {
      type: column.notNull && isAlwaysShown ? required(type) : type,
      description: column.description,
    };
    return { ...config, args: pathArgument(column.type) };
  }

  #callArguments({ table }: VisibleTable, field: ComputedField): GraphQLFieldConfigArgumentMap {
    const { name, signature, argsType: type } = field;
    const description = `input parameters for computed field "${name}" defined on table "${printTable(table.ref)}"`;
    return callArguments(this.#kit.registry, signature, { type, description });
  }

  #computed(view: VisibleTable, { field, target }: VisibleComputed): readonly Field[] {
    const { name, description, returns } = field;
    const args = this.#callArguments(view, field);
    if (target !== null && !this.#hasFields(target)) return [];
    if (target !== null)
      return [
        [
          name,
          { type: listOf(this.row(target)), description, args: { ...args, ...this.#arguments(target) } },
        ],
      ];
    if (returns.kind !== 'scalar') return [];
    const type = this.#kit.values.plain(returns.type);
    return [[name, { type, description, args: { ...args, ...pathArgument(returns.type) } }]];
  }

  #relationship(view: VisibleTable, { relationship, target }: VisibleRelationship): readonly Field[] {
    const { name, kind, total, description } = relationship;
    const { query } = target.table;
    const given = query === undefined ? {} : this.#given(query, name);
    const fields: Field[] = [];
    if (kind === 'object') {
      if (!this.#hasFields(target)) return [];
      const row = this.row(target);
      return [[name, { type: total ? required(row) : row, args: given, description }]];
    }
    const args = { ...given, ...this.#arguments(target) };
    // Nullable as in Hasura, although the answer always has a list.
    if (query !== undefined)
      return this.#hasFields(target) ? [[name, { type: listOf(this.row(target)), args, description }]] : [];
    if (this.#hasFields(target))
      fields.push([name, { type: required(listOf(this.row(target))), args, description }]);
    if (target.mayAggregate) {
      const type = required(this.#aggregate(target));
      fields.push([
        aggregateField(view, relationship),
        { type, args, description: 'An aggregate relationship' },
      ]);
    }
    return fields;
  }

  #arguments(view: VisibleTable): GraphQLFieldConfigArgumentMap {
    const columns = this.#kit.values.selectColumns(view);
    const ordering = this.#inputs.ordering(view);
    const { field } = view.table.spelling;
    const distinct = columns && {
      [field('distinct_on')]: { type: listOf(columns), description: 'distinct select on columns' },
    };
    const order = ordering && {
      [field('order_by')]: { type: listOf(ordering), description: 'sort the rows by one or more columns' },
    };
    return {
      ...distinct,
      limit: { type: GraphQLInt, description: 'limit the number of rows returned' },
      offset: { type: GraphQLInt, description: 'skip the first n rows. Use only with order_by' },
      ...order,
      where: { type: this.#inputs.condition(view), description: 'filter the rows returned' },
    };
  }

  #keyArguments(view: VisibleTable): GraphQLFieldConfigArgumentMap {
    return sorted(
      view.table.primaryKey.map((column) => {
        const type = required(this.#kit.values.ofColumn(view.table, column));
        return [column.field, { type, description: column.description }] as const;
      }),
    );
  }

  #aggregate(view: VisibleTable): GraphQLObjectType {
    const { table } = view;
    return this.#kit.registry.once(table.derivedType('_aggregate'), (name) => {
      const fields = (): Record<string, GraphQLFieldConfig<unknown, unknown>> => ({
        aggregate: { type: this.#aggregateFields(view) },
        ...(this.#hasFields(view) ? { nodes: { type: required(listOf(this.row(view))) } } : {}),
      });
      return new GraphQLObjectType({
        name,
        description: `aggregated selection of "${printTable(table.ref)}"`,
        fields,
      });
    });
  }

  #aggregateFields(view: VisibleTable): GraphQLObjectType {
    const { table } = view;
    return this.#kit.registry.once(table.derivedType('_aggregate_fields'), (name) => {
      const columns = this.#kit.values.selectColumns(view);
      const args: GraphQLFieldConfigArgumentMap = {
        ...(columns === null ? {} : { columns: { type: listOf(columns) } }),
        distinct: { type: GraphQLBoolean },
      };
      const fields: Field[] = [['count', { type: required(GraphQLInt), args }]];
      for (const called of AGGREGATE_FUNCTIONS) {
        const of = this.#operands(view, called);
        if (of.length > 0)
          fields.push([table.spelling.field(called), { type: this.#functionFields(view, called, of) }]);
      }
      return new GraphQLObjectType({
        name,
        description: `aggregate fields of "${printTable(table.ref)}"`,
        fields: () => sorted(fields),
      });
    });
  }

  /** The columns and computed fields that a function can be applied to. As in Hasura, a computed field keeps its own type under every function. */
  #operands(view: VisibleTable, called: AggregateFunction): readonly Field[] {
    const columns = columnsFor(called, fieldsOf(view)).map((column): Field => {
      const type: GraphQLOutputType = this.#kit.registry.scalar(resultScalar(called, column));
      return [column.field, { type, description: column.description }];
    });
    const visible = visibleComputedFields(this.#kit.catalog, view).map(({ field }) => field);
    const computed = computedFor(called, visible).map((field): Field => {
      const type = this.#kit.values.plain(field.returns.type);
      return [field.name, { type, description: field.description, args: this.#callArguments(view, field) }];
    });
    return [...columns, ...computed];
  }

  #functionFields(
    view: VisibleTable,
    called: AggregateFunction,
    fields: readonly Field[],
  ): GraphQLObjectType {
    return this.#kit.registry.once(view.table.derivedType(`_${called}_fields`), (name) => {
      const description = `aggregate ${called} on columns`;
      return new GraphQLObjectType({ name, description, fields: () => sorted(fields) });
    });
  }
}

function pathArgument(type: ColumnType): GraphQLFieldConfigArgumentMap {
  return isJsonType(type) ? { path: { type: GraphQLString, description: 'JSON select path' } } : {};
}
