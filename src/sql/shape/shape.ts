import { unreachable } from '../../core/assert.ts';
import type { Aggregate, Field, Select } from '../../plan/plan.ts';
import type { Stream } from '../../plan/root/stream-in.ts';
import { operandSql } from '../condition/operand.ts';
import { joinedTo, predicateSql } from '../condition/predicate.ts';
import { type Around, atTop, type Build, type RowScope, siteOf } from '../place/scope.ts';
import { byColumn, liftedRows, openRows, orderAbove } from '../rows/rows.ts';
import { findShared, normalForms, type ShapeSite, type SharedJoin, startOf } from '../rows/sharing.ts';
import { constant, type Sql, sql, syntax } from '../sql.ts';
import { aggregateWithNodes } from './aggregate.ts';
import { gapJson, placeOf, type RelatedField } from './gap.ts';
import { joinedList, membersJson } from './json-parts.ts';
import { columnJson, jsonPathJson, orNull } from './value-json.ts';

/** One row as a JSON object: never null. */
function objectJson(fields: readonly Field[], site: ShapeSite): Sql {
  return membersJson(fields.map((field) => ({ key: field.key, value: fieldJson(field, site) })));
}

/** The rows of a select as a JSON list. */
export function listJson(select: Select, around: Around): Sql {
  const { json, from } = listOf(select, around);
  return sql`(select ${json} from ${from})`;
}

/** The same in two pieces, for a statement that reads nothing else: from a subquery Postgres would copy the whole list once more. */
export function listOf(select: Select, around: Around): { readonly json: Sql; readonly from: Sql } {
  const { alias, site, inner } = liftedRows(select, around);
  const json = joinedList(objectJson(select.fields, site));
  return { json, from: sql`(${inner()}) ${syntax(alias)}` };
}

/** Aggregates and nodes of a select, as one JSON object. */
export function aggregateJson(aggregate: Aggregate, around: Around): Sql {
  return aggregateWithNodes(aggregate, around, objectJson);
}

/** The first row of a select as a JSON object, or `null` where it has none. */
export function oneJson(select: Select, around: Around): Sql {
  // One row needs no order to be the same by every route.
  const opened = openRows({ ...select, from: { ...select.from, key: [] } }, around);
  return orNull(sql`(${opened.select(objectJson(select.fields, opened.site))})`);
}

/**
 * The next rows of a stream as one row: `json` is their list, and `cursor` the last one's value of the stream's column as text,
 * null when there are no rows. The last row is taken, not a `max`: not every type that can be ordered has one.
 */
export function batchOf({ select, by }: Stream, build: Build): Sql {
  const { alias, site, inner } = liftedRows(select, atTop(build));
  const row = objectJson(select.fields, site);
  const last = sql`(array_agg(${site.row.read(by)}::text))[count(*)]`;
  const tail = { filter: syntax(''), order: orderAbove(select, site) };
  return sql`(select ${joinedList(row, tail)} as json, ${last} as cursor from (${inner()}) ${syntax(alias)})`;
}

/** One member of a row's object, as JSON text. */
export function fieldJson(field: Field, site: ShapeSite): Sql {
  if (isRelated(field) && site.build.gaps.has(placeOf(field).id)) return gapJson(field, site.row);
  switch (field.kind) {
    case 'constant':
      return constant(field.json);
    case 'column':
      return columnField(field, site);
    case 'object':
      return objectField(field, site);
    case 'array':
      return listJson(field.select, joinedTo(site, field.join));
    case 'aggregate':
      return aggregateJson(field.aggregate, joinedTo(site, field.join));
    default:
      return unreachable(field);
  }
}

function isRelated(field: Field): field is RelatedField {
  return field.kind !== 'column' && field.kind !== 'constant';
}

type ColumnField = Extract<Field, { kind: 'column' }>;

function columnField(field: ColumnField, site: ShapeSite): Sql {
  const { row, build } = site;
  const json =
    field.jsonPath === null
      ? columnJson(row, field.column, build)
      : jsonPathJson(row.read(field.column), operandSql(field.jsonPath, build));
  if (field.onlyIf === null) return json;
  const visible = predicateSql(field.onlyIf, site);
  return sql`(case when ${visible} then ${json} else ${constant('null')} end)`;
}

type ObjectField = Extract<Field, { kind: 'object' }>;

function objectField(field: ObjectField, site: ShapeSite): Sql {
  const { join, select } = field;
  const around = joinedTo(site, join);
  if (!join.unique) return oneJson({ ...select, orderBy: select.from.key.map(byColumn), limit: 1 }, around);
  const conditions = () => normalForms(select.where, select.from, site.build.params);
  const shared = findShared(site.shared, startOf(site.row.table, join), conditions);
  return shared === undefined
    ? oneJson({ ...select, orderBy: [], limit: null }, around)
    : sharedObject(field, shared, site);
}

/** The object of a row that a filter or an ordering has joined already. */
function sharedObject(field: ObjectField, shared: SharedJoin, site: ShapeSite): Sql {
  const row: RowScope = { ...shared.scope, table: field.select.from };
  const inner = { ...siteOf(row, site), shared: renamed(site.shared, shared, field) };
  const json = objectJson(field.select.fields, inner);
  const pair = field.join.on[0];
  if (!shared.optional || pair === undefined) return json;
  return sql`(case when ${row.read(pair.right)} is null then ${constant('null')} else ${json} end)`;
}

/** Joins further along the path start at the place that the filter reads the row at; the selection reads it at another. */
function renamed(all: readonly SharedJoin[], through: SharedJoin, field: ObjectField): readonly SharedJoin[] {
  const [known, shown] = [through.scope.table.id, field.select.from.id];
  return all.map((join) =>
    join.start.place === known ? { ...join, start: { ...join.start, place: shown } } : join,
  );
}
