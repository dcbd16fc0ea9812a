import { unreachable } from '../../core/assert.ts';
import type { Aggregate, Field, Join, Select } from '../../plan/plan.ts';
import type { Stream } from '../../plan/root/stream-in.ts';
import { operandSql } from '../condition/operand.ts';
import { joinSql, predicateSql } from '../condition/predicate.ts';
import { type Build, Exposure, type RowScope, type RowsInScope, withRow } from '../place/scope.ts';
import { byColumn, isCut, type Link, openRows, orderAbove } from '../rows/rows.ts';
import { findShared, joinKey, normalForms, type SharedJoin } from '../rows/sharing.ts';
import { constant, type Sql, sql, syntax } from '../sql.ts';
import { aggregateJson } from './aggregate.ts';
import { gapJson, placeOf, type RelatedField } from './gap.ts';
import { joinedList, liftedSite, membersJson, type ShapeSite } from './json-parts.ts';
import { columnJson, jsonPathJson, orNull } from './value-json.ts';

/** One row as a JSON object: never null. */
function objectJson(fields: readonly Field[], site: ShapeSite): Sql {
  return membersJson(fields.map((field) => ({ key: field.key, value: fieldJson(field, site) })));
}

/** The rows of a select as a JSON list. */
export function listJson(select: Select, link: Link, rows: RowsInScope, build: Build): Sql {
  const { json, from } = listOf(select, link, rows, build);
  return sql`(select ${json} from ${from})`;
}

/** The same in two pieces, for a statement that reads nothing else: Postgres copies what a subquery made once more. */
export function listOf(
  select: Select,
  link: Link,
  rows: RowsInScope,
  build: Build,
): { readonly json: Sql; readonly from: Sql } {
  const { row, from } = overRows(select, link, rows, build);
  return { json: joinedList(row), from: from() };
}

/** Aggregates and nodes of a select. */
export function aggregatedJson(aggregate: Aggregate, link: Link, rows: RowsInScope, build: Build): Sql {
  return aggregateJson(aggregate, link, rows, { build, nodeJson: objectJson });
}

/** The one row of a select, or `null`. The select's rows are at most one, or its first counts. */
export function oneJson(select: Select, link: Link, rows: RowsInScope, build: Build): Sql {
  // One row needs no order to be the same by every route.
  const opened = openRows({ ...select, from: { ...select.from, key: [] } }, link, rows, build);
  const site = { row: opened.row, rows: opened.rows, shared: opened.shared, build };
  return orNull(sql`(${opened.select(objectJson(select.fields, site))})`);
}

/**
 * The next rows of a stream in one row: `json`, their list, and `cursor`, the text of the last one's column; null when there
 * are none. Read off in the order the rows arrive, as the list is: not every type that can be ordered has a `max`.
 */
export function batchOf({ select, by }: Stream, build: Build): Sql {
  const { row, site, from } = overRows(select, null, new Map(), build);
  const last = sql`(array_agg(${site.row.read(by)}::text))[count(*)]`;
  const tail = { filter: syntax(''), order: orderAbove(select, { row: site.row, rows: site.rows, build }) };
  return sql`(select ${joinedList(row, tail)} as json, ${last} as cursor from ${from()})`;
}

/** The text of a select's rows above the select itself; `from` comes last, when everything above is built. */
function overRows(
  select: Select,
  link: Link,
  rows: RowsInScope,
  build: Build,
): { readonly row: Sql; readonly site: ShapeSite; readonly from: () => Sql } {
  const opened = openRows(select, link, rows, build);
  const alias = build.alias();
  const exposure = new Exposure(alias, { ...build, isCut: isCut(select) });
  const site = liftedSite(opened, exposure, rows, build);
  const row = objectJson(select.fields, site);
  return { row, site, from: () => sql`(${opened.select(exposure.list())}) ${syntax(alias)}` };
}

/** One member of a row's object, as JSON text. */
export function fieldJson(field: Field, site: ShapeSite): Sql {
  const { row, rows, build } = site;
  if (isRelated(field) && build.gaps.has(placeOf(field).id)) return gapJson(field, row);
  switch (field.kind) {
    case 'constant':
      return constant(field.json);
    case 'column':
      return columnField(field, site);
    case 'object':
      return objectField(field, site);
    case 'array':
      return listJson(field.select, linkTo(field.join, row), withRow(rows, row), build);
    case 'aggregate':
      return aggregatedJson(field.aggregate, linkTo(field.join, row), withRow(rows, row), build);
    default:
      return unreachable(field);
  }
}

function isRelated(field: Field): field is RelatedField {
  return field.kind !== 'column' && field.kind !== 'constant';
}

function linkTo(join: Join, left: RowScope): Link {
  return (right) => joinSql(join.on, left, right);
}

type ColumnField = Extract<Field, { kind: 'column' }>;

function columnField(field: ColumnField, { row, rows, build }: ShapeSite): Sql {
  const json =
    field.jsonPath === null
      ? columnJson(row, field.column, build)
      : jsonPathJson(row.read(field.column), operandSql(field.jsonPath, build));
  if (field.onlyIf === null) return json;
  const visible = predicateSql(field.onlyIf, row, rows, build);
  return sql`(case when ${visible} then ${json} else ${constant('null')} end)`;
}

type ObjectField = Extract<Field, { kind: 'object' }>;

function objectField(field: ObjectField, site: ShapeSite): Sql {
  const { row, rows, build } = site;
  const { join, select } = field;
  if (join.unique) {
    const shared = findShared(
      site.shared,
      joinKey(row.table, join),
      normalForms(select.where, select.from, build.params),
    );
    if (shared !== undefined) return sharedObject(field, shared, site);
    return oneJson({ ...select, orderBy: [], limit: null }, linkTo(join, row), withRow(rows, row), build);
  }
  const first = { ...select, orderBy: select.from.key.map(byColumn), limit: 1 };
  return oneJson(first, linkTo(join, row), withRow(rows, row), build);
}

/** The object of a row that a filter or an ordering has joined already. */
function sharedObject(field: ObjectField, shared: SharedJoin, site: ShapeSite): Sql {
  const row: RowScope = { ...shared.scope, table: field.select.from };
  const inner: ShapeSite = { row, rows: withRow(site.rows, row), shared: site.shared, build: site.build };
  const json = objectJson(field.select.fields, { ...inner, shared: renamed(site.shared, shared, field) });
  const pair = field.join.on[0];
  if (!shared.optional || pair === undefined) return json;
  return sql`(case when ${row.read(pair.right)} is null then ${constant('null')} else ${json} end)`;
}

/** Joins further along a path start at the filter's place; the selection knows the same row by another. */
function renamed(all: readonly SharedJoin[], through: SharedJoin, field: ObjectField): readonly SharedJoin[] {
  return all.map((join) => {
    const [left, name] = JSON.parse(join.key) as [number, string];
    return left === through.scope.table.id
      ? { ...join, key: JSON.stringify([field.select.from.id, name]) }
      : join;
  });
}
