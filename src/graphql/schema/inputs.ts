import {
  GraphQLBoolean,
  type GraphQLEnumType,
  type GraphQLInputFieldConfig,
  GraphQLInputObjectType,
  type GraphQLInputType,
} from 'graphql';
import { takesArguments } from '../../catalog/call/function-arguments.ts';
import type { Catalog, Column, Table } from '../../catalog/catalog.ts';
import {
  argumentColumns,
  PAIR,
  type PredicateFunction,
  predicateFunctions,
} from '../../catalog/conditions/predicate-functions.ts';
import { printTable } from '../../core/names.ts';
import { type ComputedValue, isValue } from '../../plan/call/computed-columns.ts';
import {
  aggregateField,
  comparedRelationships,
  type VisibleRelationship,
  type VisibleTable,
  visibleComputedFields,
} from '../../plan/role/visible.ts';
import { AGGREGATE_FUNCTIONS, columnsFor } from '../../plan/select/aggregate-functions.ts';
import type { ComparisonTypes } from './comparisons.ts';
import { listOf, type Member, required, sorted, type TypeRegistry } from './named.ts';
import { fieldsOf, type ValueTypes } from './values.ts';

/** What Hasura's descriptions call the rows that a condition filters. */
function rowsOf({ query, ref }: Table): string {
  return query === undefined ? `table "${printTable(ref)}"` : `logical model for "${query.model}"`;
}

/** What all parts of one schema share. */
export interface Kit {
  readonly catalog: Catalog;
  readonly registry: TypeRegistry;
  readonly values: ValueTypes;
  readonly comparisons: ComparisonTypes;
}

/** The input types of tables: conditions and orderings. */
export class InputTypes {
  readonly #kit: Kit;

  constructor(kit: Kit) {
    this.#kit = kit;
  }

  /** `<t>_bool_exp`. */
  condition(view: VisibleTable): GraphQLInputObjectType {
    const { table } = view;
    return this.#kit.registry.once(table.derivedType('_bool_exp'), (name) => {
      const description =
        `Boolean expression to filter rows from the ${rowsOf(table)}. ` +
        "All fields are combined with a logical 'AND'.";
      return new GraphQLInputObjectType({ name, description, fields: () => sorted(this.#conditions(view)) });
    });
  }

  /** `<t>_order_by`; null when nothing of the table can be ordered by. */
  ordering(view: VisibleTable): GraphQLInputObjectType | null {
    if (!this.#hasOrdering(view, new Set())) return null;
    const { table } = view;
    return this.#kit.registry.once(table.derivedType('_order_by'), (name) => {
      const description = `Ordering options when selecting data from "${table.query?.model ?? printTable(table.ref)}".`;
      return new GraphQLInputObjectType({ name, description, fields: () => sorted(this.#orderings(view)) });
    });
  }

  #conditions(view: VisibleTable): readonly Member[] {
    const self = this.condition(view);
    const members: Member[] = [
      ['_and', { type: listOf(self) }],
      ['_not', { type: self }],
      ['_or', { type: listOf(self) }],
    ];
    for (const column of fieldsOf(view)) {
      members.push([column.field, { type: this.#kit.comparisons.ofColumn(view.table, column) }]);
    }
    for (const { name, returns } of this.#bareValues(view)) {
      members.push([name, { type: this.#kit.comparisons.ofType(returns.type, view.table.spelling) }]);
    }
    for (const { name, target } of this.#bareRows(view))
      members.push([name, { type: this.condition(target) }]);
    for (const { relationship, target } of comparedRelationships(this.#kit.catalog, view)) {
      members.push([relationship.name, { type: this.condition(target) }]);
      if (relationship.kind !== 'array' || !target.mayAggregate) continue;
      members.push([aggregateField(view, relationship), { type: this.#aggregateCondition(target) }]);
    }
    return members;
  }

  /** Computed values without arguments: conditions and orderings have no place for any. */
  #bareValues(view: VisibleTable): readonly ComputedValue[] {
    return visibleComputedFields(this.#kit.catalog, view)
      .map(({ field }) => field)
      .filter(isValue)
      .filter((field) => !takesArguments(field));
  }

  /** Computed fields without arguments that return rows. */
  #bareRows(view: VisibleTable): readonly { readonly name: string; readonly target: VisibleTable }[] {
    return visibleComputedFields(this.#kit.catalog, view).flatMap(({ field, target }) =>
      target === null || takesArguments(field) ? [] : [{ name: field.name, target }],
    );
  }

  #aggregateCondition(view: VisibleTable): GraphQLInputObjectType {
    return this.#kit.registry.once(view.table.derivedType('_aggregate_bool_exp'), (name) => {
      const members = predicateFunctions(fieldsOf(view)).map(
        (called): Member => [called.name, { type: this.#predicate(view, called) }],
      );
      return new GraphQLInputObjectType({ name, fields: () => sorted(members) });
    });
  }

  #predicate(view: VisibleTable, called: PredicateFunction): GraphQLInputObjectType {
    const { comparisons, registry } = this.#kit;
    return registry.once(view.table.derivedType(`_aggregate_bool_exp_${called.name}`), (name) => {
      const fields = (): Record<string, GraphQLInputFieldConfig> => {
        const columns = this.#predicateArguments(view, called);
        const members: Member[] = [
          ['distinct', { type: GraphQLBoolean }],
          ['filter', { type: this.condition(view) }],
          ['predicate', { type: required(comparisons.ofType(called.answers, view.table.spelling)) }],
        ];
        return sorted(columns === null ? members : [...members, ['arguments', { type: columns }]]);
      };
      return new GraphQLInputObjectType({ name, fields });
    });
  }

  #predicateArguments(view: VisibleTable, called: PredicateFunction): GraphQLInputType | null {
    const { table } = view;
    if (called.takes === 'columns') {
      const columns = this.#kit.values.selectColumns(view);
      return columns === null ? null : listOf(columns);
    }
    const choice = `${table.typeName}_aggregate_bool_exp_${called.name}_arguments_columns`;
    const description = `select "${choice}" columns of table "${printTable(table.ref)}"`;
    const name = table.derivedType(`_select_column_${choice}`);
    const columns = this.#kit.values.columnEnum(name, argumentColumns(called, fieldsOf(view)), description);
    if (columns === null) return null;
    if (called.takes === 'column') return required(columns);
    const pair = table.derivedType(`_aggregate_bool_exp_${called.name}_arguments`);
    const fields = sorted(PAIR.map((member): Member => [member, { type: required(columns) }]));
    return required(this.#kit.registry.once(pair, () => new GraphQLInputObjectType({ name: pair, fields })));
  }

  #orderings(view: VisibleTable): readonly Member[] {
    const direction = this.#kit.values.ordering(view.table.spelling);
    const names = [
      ...fieldsOf(view).map(({ field }) => field),
      ...this.#bareValues(view).map(({ name }) => name),
    ];
    const columns = names.map((name): Member => [name, { type: direction }]);
    const related = comparedRelationships(this.#kit.catalog, view).flatMap((step): readonly Member[] => {
      const { name } = step.relationship;
      if (step.relationship.kind === 'array')
        return [[aggregateField(view, step.relationship), { type: this.#aggregateOrdering(step.target) }]];
      const type = this.ordering(step.target);
      return type === null ? [] : [[name, { type }]];
    });
    const called = this.#bareRows(view).map(
      (step): Member => [aggregateField(view, step), { type: this.#aggregateOrdering(step.target) }],
    );
    return [...columns, ...related, ...called];
  }

  /** Whether anything can be ordered by: an input type needs at least one member. */
  #hasOrdering(view: VisibleTable, seen: Set<VisibleTable['table']>): boolean {
    if (seen.has(view.table)) return false;
    seen.add(view.table);
    if (fieldsOf(view).length + this.#bareValues(view).length > 0) return true;
    const opens = ({ relationship, target }: VisibleRelationship): boolean =>
      relationship.kind === 'array' || this.#hasOrdering(target, seen);
    return this.#bareRows(view).length > 0 || comparedRelationships(this.#kit.catalog, view).some(opens);
  }

  #aggregateOrdering(view: VisibleTable): GraphQLInputObjectType {
    const { table } = view;
    const direction = this.#kit.values.ordering(table.spelling);
    return this.#kit.registry.once(table.derivedType('_aggregate_order_by'), (name) => {
      const members: Member[] = [['count', { type: direction }]];
      for (const called of AGGREGATE_FUNCTIONS) {
        const columns = columnsFor(called, fieldsOf(view));
        if (columns.length > 0)
          members.push([
            table.spelling.field(called),
            { type: this.#functionOrdering(view, called, columns, direction) },
          ]);
      }
      const description = `order by aggregate values of table "${printTable(table.ref)}"`;
      return new GraphQLInputObjectType({ name, description, fields: () => sorted(members) });
    });
  }

  #functionOrdering(
    view: VisibleTable,
    called: string,
    columns: readonly Column[],
    direction: GraphQLEnumType,
  ): GraphQLInputObjectType {
    const { table } = view;
    return this.#kit.registry.once(table.derivedType(`_${called}_order_by`), (name) => {
      const members = columns.map((column): Member => {
        return [column.field, { type: direction, description: column.description }];
      });
      const description = `order by ${called}() on columns of table "${printTable(table.ref)}"`;
      return new GraphQLInputObjectType({ name, description, fields: () => sorted(members) });
    });
  }
}
