import type { JsonObject } from '../../core/json-text.ts';
import { printTable, type SourceName, type TableRef } from '../../core/names.ts';
import type { SelectPermissionEntry } from '../../metadata/model.ts';
import type { SelectPermission, Table } from '../catalog.ts';
import { readExists } from '../exists-rule.ts';
import { PREDICATE_NAMES } from '../predicate-names.ts';
import { Unresolvable } from './problems.ts';

/** Finds a table with its relationships resolved. */
export type FindTable = (source: SourceName, table: TableRef) => Table | undefined;

/** A role's select permission, its columns and row rule checked against the tables they name. */
export function resolvePermission(
  table: Table,
  entry: SelectPermissionEntry,
  find: FindTable,
): SelectPermission {
  const { permission } = entry;
  const names = permission.columns === '*' ? table.columns.map(({ name }) => name) : permission.columns;
  for (const name of names) columnOf(table, name);
  checkRule(permission.filter, { table, root: table, find });
  const rootFields = permission.query_root_fields ?? null;
  return {
    columns: new Set(names),
    filter: permission.filter as JsonObject,
    limit: permission.limit ?? null,
    allowAggregations: permission.allow_aggregations ?? false,
    queryRootFields: rootFields === null ? null : new Set(rootFields),
  };
}

interface Scope {
  readonly table: Table;
  /** The table the permission belongs to: `["$", column]` means its columns. */
  readonly root: Table;
  readonly find: FindTable;
}

/** Checks that everything a row rule names exists; which values an operator takes is the planner's to check. */
function checkRule(rule: unknown, scope: Scope): void {
  for (const [key, value] of members(rule, 'a row rule')) {
    const name = key.startsWith('$') ? `_${key.slice(1)}` : key;
    if (name === '_and' || name === '_or') for (const part of listOf(value)) checkRule(part, scope);
    else if (name === '_not') checkRule(value, scope);
    else if (name === '_exists') checkExists(value, scope);
    else checkMember(key, value, scope);
  }
}

function checkMember(key: string, value: unknown, scope: Scope): void {
  if (scope.table.columnByName.has(key)) return checkOperators(value, scope);
  const right = related(key, scope);
  if (right !== null) return checkRule(value, { ...scope, table: right });
  const many = scope.table.relationships.get(key.replace(/_aggregate$/, ''));
  const aggregated = many?.kind === 'array' ? related(many.name, scope) : null;
  if (aggregated === null) throw new Unresolvable(`"${key}" does not exist`);
  const predicates = members(value, `"${key}"`);
  if (predicates.length !== 1) throw new Unresolvable(`"${key}" takes exactly one predicate`);
  for (const [name, predicate] of predicates) {
    if (!PREDICATE_NAMES.some((known) => known === name))
      throw new Unresolvable(`"${name}" is not an aggregate that can be compared`);
    checkAggregate(predicate, { ...scope, table: aggregated });
  }
}

function checkAggregate(predicate: unknown, scope: Scope): void {
  for (const [key, value] of members(predicate, 'an aggregate predicate')) {
    if (key === 'filter') checkRule(value, scope);
    else if (key === 'arguments') for (const name of argumentsOf(value)) columnOf(scope.table, String(name));
    else if (key === 'predicate') checkOperators(value, scope);
    else if (key !== 'distinct') throw new Unresolvable(`"${key}" is not part of an aggregate predicate`);
  }
}

/** One column, several, or a pair as `{X, Y}`. */
function argumentsOf(value: unknown): readonly unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : [value];
}

function checkExists(value: unknown, scope: Scope): void {
  const exists = readExists(value, scope.table.source);
  if (exists === null) throw new Unresolvable('"_exists" needs a "_table" and a "_where"');
  const { source, table: ref, where } = exists;
  const table = scope.find(source, ref);
  if (table === undefined) {
    throw new Unresolvable(`table "${printTable(ref)}" does not exist in source: ${source}`);
  }
  checkRule(where, { ...scope, table });
}

const COLUMN_OPERATORS: ReadonlySet<string> = new Set([
  '_ceq',
  '_cne',
  '_cneq',
  '_cgt',
  '_clt',
  '_cgte',
  '_clte',
]);
const OPERATORS: ReadonlySet<string> = new Set(
  [
    'eq ne neq gt lt gte lte in nin is_null cast',
    'like nlike ilike nilike similar nsimilar regex nregex iregex niregex',
    'contains contained_in has_key has_keys_any has_keys_all jsonb_path_exists jsonb_path_match',
    'ancestor ancestor_any descendant descendant_any matches matches_any matches_fulltext',
  ].flatMap((line) => line.split(' ').map((name) => `_${name}`)),
);

/** `column: value` is short for `_eq`. */
function checkOperators(value: unknown, scope: Scope): void {
  if (Array.isArray(value)) {
    for (const part of value) checkOperators(part, scope);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, operand] of Object.entries(value)) {
    const name = key.startsWith('$') ? `_${key.slice(1)}` : key;
    if (COLUMN_OPERATORS.has(name)) checkOtherColumn(operand, scope);
    else if (!OPERATORS.has(name)) throw new Unresolvable(`"${key}" is not an operator`);
  }
}

function checkOtherColumn(operand: unknown, scope: Scope): void {
  if (typeof operand === 'string') return columnOf(scope.table, operand);
  const path: readonly unknown[] = Array.isArray(operand) ? operand : [];
  const [first, second] = path;
  const isRoot = path.length === 2 && first === '$';
  const name = isRoot ? second : first;
  if (typeof name !== 'string' || (path.length !== 1 && !isRoot)) {
    throw new Unresolvable('a column comparison takes a column name or ["$", column]');
  }
  columnOf(isRoot ? scope.root : scope.table, name);
}

function related(name: string, scope: Scope): Table | null {
  const relationship = scope.table.relationships.get(name);
  if (relationship === undefined) return null;
  return scope.find(relationship.source, relationship.table) ?? null;
}

function columnOf(table: Table, name: string): void {
  if (!table.columnByName.has(name)) throw new Unresolvable(`"${name}" does not exist`);
}

function members(value: unknown, what: string): readonly (readonly [string, unknown])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Unresolvable(`${what} must be an object`);
  }
  return Object.entries(value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}
