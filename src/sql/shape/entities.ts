import type { RootField } from '../../plan/plan.ts';
import { operandSql } from '../condition/operand.ts';
import { keyList, keyRow } from '../place/key-rows.ts';
import { atTop, type Build, siteOf } from '../place/scope.ts';
import { type Sql, sql, syntax } from '../sql.ts';
import { joinedList } from './json-parts.ts';
import { fieldJson } from './shape.ts';

/** The rows of some keys as a JSON list in the order of the keys; `null` for a key that has no row. */
export function entitiesJson({ by, select }: Extract<RootField, { kind: 'entities' }>, build: Build): Sql {
  const columns = by.map(({ column }) => column);
  // The keys are a place of their own, not the table's.
  const row = keyRow({ ...select.from, id: -1 }, columns);
  const on = columns.map((column) => ({ left: column, right: column }));
  const join = { name: '', on, unique: true, indexed: true };
  const site = { ...siteOf(row, atTop(build)), shared: [] };
  const json = fieldJson({ kind: 'object', key: '', join, select }, site);
  const keys = keyList(by.map(({ values }) => operandSql(values, build)));
  // Nothing above the keys sorts them again.
  return sql`(select ${joinedList(syntax('e.j'))} from (select ${json} as j from ${keys}) e)`;
}
