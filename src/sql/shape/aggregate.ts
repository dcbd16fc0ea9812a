import type { Column } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { unreachable } from '../../core/assert.ts';
import type {
  Aggregate,
  AggregateField,
  AggregateFunction,
  AggregateValue,
  Cell,
  Field,
} from '../../plan/plan.ts';
import { countSql, visibleValue } from '../condition/predicate.ts';
import { extreme } from '../place/enum-order.ts';
import { refuseUnlessDistinct } from '../place/held-as-text.ts';
import type { Around } from '../place/scope.ts';
import { isCut, liftedRows } from '../rows/rows.ts';
import type { ShapeSite } from '../rows/sharing.ts';
import { constant, type Sql, sql, syntax } from '../sql.ts';
import { functionOf } from '../types.ts';
import { joinedList, membersJson } from './json-parts.ts';
import { isBigNumber, orNull, valueJson } from './value-json.ts';

/** `{ aggregate {…} nodes {…} }` over one set of rows, in one pass. `nodeJson` writes the row of a node. */
export function aggregateWithNodes(
  aggregate: Aggregate,
  around: Around,
  nodeJson: (fields: readonly Field[], site: ShapeSite) => Sql,
): Sql {
  const cut = isCut(aggregate.rows) || aggregate.nodesLimit !== null;
  const { alias, site, inner } = liftedRows(aggregate.rows, around, cut);
  const tail = nodesTail(aggregate, alias);
  const node = (fields: readonly Field[]): Sql => joinedList(nodeJson(fields, site), tail ?? undefined);
  const json = membersJson(
    aggregate.fields.map((field) => ({ key: field.key, value: fieldJson(field, site, node) })),
  );
  // Without an aggregate in it the select would give a row for each of the rows.
  if (aggregate.fields.every(isConstant)) return json;
  const from =
    tail === null ? sql`(${inner()})` : sql`(select r.*, row_number() over () as n from (${inner()}) r)`;
  return sql`(select ${json} from ${from} ${syntax(alias)})`;
}

/** Whether a member says nothing of the rows: type names, or what directives left of it. */
function isConstant(field: AggregateField): boolean {
  if (field.kind === 'nodes') return false;
  if (field.kind === 'constant') return true;
  return field.values.every(
    (value) =>
      value.kind === 'constant' ||
      (value.kind === 'function' && value.of.every((member) => member.kind === 'constant')),
  );
}

/**
 * How the list of nodes is cut and sorted. The permission's limit cuts the nodes and leaves the aggregates alone. For a distinct
 * count beside them Postgres may sort the rows by what is counted, so the nodes ask for their own order. Null where neither is so:
 * the rows need no numbers then.
 */
function nodesTail({ fields, nodesLimit }: Aggregate, alias: string): { filter: Sql; order: Sql } | null {
  const sorts = fields.some((field) => field.kind === 'values' && field.values.some(isDistinct));
  if (!fields.some((field) => field.kind === 'nodes') || (nodesLimit === null && !sorts)) return null;
  return {
    filter: syntax(nodesLimit === null ? '' : ` filter (where ${alias}.n <= ${Math.trunc(nodesLimit)})`),
    order: syntax(sorts ? ` order by ${alias}.n` : ''),
  };
}

function isDistinct(value: AggregateValue): boolean {
  return value.kind === 'count' && value.distinct;
}

function fieldJson(field: AggregateField, site: ShapeSite, node: (fields: readonly Field[]) => Sql): Sql {
  switch (field.kind) {
    case 'constant':
      return constant(field.json);
    case 'nodes':
      return node(field.fields);
    case 'values':
      return membersJson(field.values.map((value) => ({ key: value.key, value: valueOf(value, site) })));
    default:
      return unreachable(field);
  }
}

function valueOf(value: AggregateValue, site: ShapeSite): Sql {
  switch (value.kind) {
    case 'constant':
      return constant(value.json);
    case 'count':
      return sql`(${countSql(countedColumns(value, site), value.distinct)})::text`;
    case 'function':
      return membersJson(
        value.of.map((member) => ({
          key: member.key,
          value:
            member.kind === 'constant' ? constant(member.json) : functionJson(value.function, member, site),
        })),
      );
    default:
      return unreachable(value);
  }
}

function countedColumns(value: Extract<AggregateValue, { kind: 'count' }>, site: ShapeSite): readonly Sql[] {
  if (value.distinct) for (const { column } of value.cells) refuseUnlessDistinct(column, site.row);
  return value.cells.map((cell) => visibleValue(cell, site));
}

/** Extremes are written as their column is, and so are numbers that clients asked for as strings, whatever is made of them. */
function functionJson(name: AggregateFunction, member: Cell, site: ShapeSite): Sql {
  const { build } = site;
  const { type } = member.column;
  const value = visibleValue(member, site);
  if (name === 'min' || name === 'max') return orNull(extremeJson(name, value, member.column, site));
  const call = sql`${functionOf(name, type)}(${value})`;
  const isText = build.stringifyNumbers && isBigNumber(baseType(type));
  return orNull(
    isText ? sql`pg_catalog.to_json(${call}::text)::text` : sql`pg_catalog.to_json(${call})::text`,
  );
}

function extremeJson(name: 'min' | 'max', value: Sql, column: Column, { row, build }: ShapeSite): Sql {
  return valueJson(extreme(name, value, column, row), column.type, build);
}
