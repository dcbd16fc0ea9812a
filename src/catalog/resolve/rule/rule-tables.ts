import { isRecord } from '../../../core/json/is-record.ts';
import type { SourceName, TableRef } from '../../../core/names.ts';
import { aggregatedBy, readExists, ruleMember } from '../../../core/row-rule.ts';
import type { Table } from '../../catalog.ts';
import type { FindTable } from '../memo.ts';

/** A table that a row rule reads. */
export interface RuleTable {
  readonly source: SourceName;
  readonly table: TableRef;
  /** Columns by which the rule looks rows up; empty when it reads the whole table. */
  readonly lookup: readonly string[];
}

/** Every table that a checked row rule of `table` reads, except behind relationships with `cache: false`. */
export function* tablesOfRule(rule: unknown, table: Table, find: FindTable): Generator<RuleTable> {
  for (const [key, value] of members(rule)) {
    const name = ruleMember(key);
    if (name === '_and' || name === '_or' || name === '_not') {
      for (const part of listOf(value)) yield* tablesOfRule(part, table, find);
    } else if (name === '_exists') {
      yield* tablesOfExists(value, table, find);
    } else if (table.computedFields.has(key)) {
      yield* tablesOfCalled(key, value, table, find);
    } else {
      yield* tablesBehind(key, value, table, find);
    }
  }
}

function* tablesOfExists(value: unknown, from: Table, find: FindTable): Generator<RuleTable> {
  const exists = readExists(value, from.source);
  if (exists === null) return;
  const { source, table, where } = exists;
  yield { source, table, lookup: correlated(where) };
  const right = find(source, table);
  if (right !== undefined) yield* tablesOfRule(where, right, find);
}

/** Rows of a function are never cached, but the rule may lead on from them. */
function* tablesOfCalled(key: string, value: unknown, from: Table, find: FindTable): Generator<RuleTable> {
  const returns = from.computedFields.get(key)?.returns;
  const rows = returns?.kind === 'table' ? find(from.source, returns.table) : undefined;
  if (rows !== undefined) yield* tablesOfRule(value, rows, find);
}

function* tablesBehind(key: string, value: unknown, from: Table, find: FindTable): Generator<RuleTable> {
  const single = from.relationships.get(key);
  const via = single ?? from.relationships.get(aggregatedBy(key));
  if (via === undefined || via.remote?.cache === false) return;
  yield { source: via.source, table: via.table, lookup: via.on.map((pair) => pair.right.name) };
  const right = find(via.source, via.table);
  if (right === undefined) return;
  if (single !== undefined) return yield* tablesOfRule(value, right, find);
  for (const [, predicate] of members(value)) {
    const filter = members(predicate).find(([name]) => name === 'filter');
    if (filter !== undefined) yield* tablesOfRule(filter[1], right, find);
  }
}

/** Columns that are compared with a column of the row that the rule decides about. */
function correlated(where: unknown): readonly string[] {
  return members(where).flatMap(([key, value]) => {
    if (ruleMember(key) === '_and') return listOf(value).flatMap(correlated);
    return members(value).some(([name, other]) => ruleMember(name) === '_ceq' && isOfRoot(other))
      ? [key]
      : [];
  });
}

function isOfRoot(other: unknown): boolean {
  return Array.isArray(other) && other[0] === '$';
}

function members(value: unknown): readonly (readonly [string, unknown])[] {
  return isRecord(value) ? Object.entries(value) : [];
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}
