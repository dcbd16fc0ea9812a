import type { InconsistentObject } from '../../../core/inconsistent-object.ts';
import { isRecord } from '../../../core/json/is-record.ts';
import type { Json, JsonObject } from '../../../core/json/json-text.ts';
import { printTable } from '../../../core/names.ts';
import { aggregatedBy, readExists, ruleMember } from '../../../core/row-rule.ts';
import type { SelectPermissionEntry } from '../../../metadata/model/permissions.ts';
import type { TableMetadata } from '../../../metadata/model.ts';
import { takesArguments } from '../../call/function-arguments.ts';
import type { Column, ColumnType, ComputedField, Table } from '../../catalog.ts';
import {
  PREDICATE_FUNCTIONS,
  type PredicateFunction,
  ruleArguments,
} from '../../conditions/predicate-functions.ts';
import type { SelectPermission } from '../../part/select-permission.ts';
import type { FindTable } from '../memo.ts';
import { attempt, type Subject, Unresolvable } from '../problems.ts';
import { type ComparisonScope, checkAggregated, checkColumn } from './rule-comparison.ts';

/** Select permissions, how a problem names each, and the tables that their rules may refer to. */
export interface Permitting {
  readonly entries: readonly SelectPermissionEntry[];
  readonly subjectOf: (entry: SelectPermissionEntry) => Subject;
  readonly find: FindTable;
}

/** The table with its select permissions. `find` gives tables with their relationships. */
export function withPermissions(
  table: Table,
  tracked: TableMetadata,
  find: FindTable,
  problems: InconsistentObject[],
): Table {
  const subjectOf = (entry: SelectPermissionEntry): Subject => {
    return { kind: 'select_permission', source: table.source, table: table.ref, entry };
  };
  const entries = tracked.select_permissions ?? [];
  return { ...table, permissions: permissionsOf(table, { entries, subjectOf, find }, problems) };
}

/** The permissions by role; null where something is wrong with one. */
export function permissionsOf(
  table: Table,
  { entries, subjectOf, find }: Permitting,
  problems: InconsistentObject[],
): Table['permissions'] {
  const permissions = new Map<string, SelectPermission | null>();
  for (const entry of entries) {
    const permission = attempt(subjectOf(entry), problems, () => resolvePermission(table, entry, find));
    permissions.set(entry.role, permission);
  }
  return permissions;
}

/** A role's select permission, its columns and row rule checked against the tables they name. */
function resolvePermission(table: Table, entry: SelectPermissionEntry, find: FindTable): SelectPermission {
  const { permission } = entry;
  const names = permission.columns === '*' ? table.columns.map(({ name }) => name) : permission.columns;
  for (const name of names) columnOf(table, name);
  const computedFields = new Set(permission.computed_fields);
  for (const name of computedFields) checkComputedField(table, name);
  checkRule(permission.filter, { table, root: table, find });
  checkRootFields(table, entry);
  return {
    columns: new Set(names),
    computedFields,
    filter: permission.filter as JsonObject,
    limit: checkedLimit(permission.limit),
    allowAggregations: permission.allow_aggregations ?? false,
    queryRootFields: setOf(permission.query_root_fields),
    subscriptionRootFields: setOf(permission.subscription_root_fields),
  };
}

function setOf<T>(names: readonly T[] | null | undefined): ReadonlySet<T> | null {
  return names === null || names === undefined ? null : new Set(names);
}

function checkedLimit(limit: number | null | undefined): number | null {
  if (limit === null || limit === undefined) return null;
  if (limit < 0) throw new Unresolvable('unexpected negative value');
  return limit;
}

/** Refuses root fields that the role cannot have. */
function checkRootFields(table: Table, { role, permission }: SelectPermissionEntry): void {
  const asked = new Set<string>([
    ...(permission.query_root_fields ?? []),
    ...(permission.subscription_root_fields ?? []),
  ]);
  const { columns } = permission;
  const seesKey = columns === '*' || table.primaryKey.every(({ name }) => columns.includes(name));
  if (asked.has('select_by_pk') && (table.primaryKey.length === 0 || !seesKey)) {
    throw new Unresolvable(
      'The "select_by_pk" field cannot be included in the query_root_fields or subscription_root_fields because the role ' +
        `"${role}" does not have access to the primary key of the table "${printTable(table.ref)}" in the source "${table.source}"`,
    );
  }
  if (asked.has('select_aggregate') && permission.allow_aggregations !== true) {
    throw new Unresolvable(
      'The "select_aggregate" root field can only be enabled in the query_root_fields or  ' +
        'the subscription_root_fields when "allow_aggregations" is set to true',
    );
  }
}

interface Scope {
  readonly table: Table;
  /** The table the permission belongs to. */
  readonly root: Table;
  readonly find: FindTable;
}

/** Checks that everything a row rule names exists, and that its comparisons fit what they compare. */
function checkRule(rule: unknown, scope: Scope): void {
  for (const [key, value] of members(rule, 'a row rule')) {
    const name = ruleMember(key);
    if (name === '_and' || name === '_or') for (const part of listOf(key, value)) checkRule(part, scope);
    else if (name === '_not') checkRule(value, scope);
    else if (name === '_exists') checkExists(value, scope);
    else checkMember(key, value, scope);
  }
}

function checkMember(key: string, value: unknown, scope: Scope): void {
  const column = scope.table.columnByName.get(key);
  if (column !== undefined) return checkColumn(column, value as Json, comparisonScope(scope));
  const computed = scope.table.computedFields.get(key);
  if (computed !== undefined) return checkComputedMember(computed, value, scope);
  const right = related(key, scope);
  if (right !== null) return checkRule(value, { ...scope, table: right });
  const many = scope.table.relationships.get(aggregatedBy(key));
  const aggregated = many?.kind === 'array' ? related(many.name, scope) : null;
  if (aggregated === null) throw new Unresolvable(`"${key}" does not exist`);
  const predicates = members(value, `"${key}"`);
  if (predicates.length !== 1) throw new Unresolvable(`"${key}" takes exactly one predicate`);
  for (const [name, predicate] of predicates) {
    const called = PREDICATE_FUNCTIONS.find((known) => known.name === name);
    if (called === undefined) throw new Unresolvable(`"${name}" is not an aggregate that can be compared`);
    checkAggregate(called, predicate, { ...scope, table: aggregated });
  }
}

/** A rule cannot pass arguments. A condition on returned rows is checked as one on their table. */
function checkComputedMember(field: ComputedField, value: unknown, scope: Scope): void {
  if (takesArguments(field))
    throw new Unresolvable('Computed columns with input arguments cannot be part of the where clause');
  if (field.returns.kind === 'scalar')
    return checkColumn(computedColumn(field, field.returns.type), value as Json, comparisonScope(scope));
  const table = scope.find(scope.table.source, field.returns.table);
  if (table === undefined) throw new Unresolvable(`"${field.name}" does not exist`);
  checkRule(value, { ...scope, table });
}

/** A column of that type, good enough to check comparisons. */
function computedColumn({ name, description }: ComputedField, type: ColumnType): Column {
  const plain = { notNull: false, generated: false, enumTable: null, upperCased: false };
  return { ...plain, name, field: name, type, description };
}

function checkComputedField(table: Table, name: string): void {
  const field = table.computedFields.get(name);
  if (field === undefined) throw new Unresolvable(`computed field "${name}" does not exist`);
  if (field.returns.kind === 'scalar') return;
  throw new Unresolvable(
    `select permissions on computed field "${name}" are auto-derived from the permissions on its returning table "${printTable(field.returns.table)}" and cannot be specified manually`,
  );
}

function checkAggregate(called: PredicateFunction, predicate: unknown, scope: Scope): void {
  const given = new Map(members(predicate, 'an aggregate predicate'));
  for (const key of given.keys()) {
    if (!AGGREGATE_MEMBERS.has(key)) throw new Unresolvable(`"${key}" is not part of an aggregate predicate`);
  }
  if (ruleArguments(called, scope.table, given.get('arguments') as Json | undefined) === null)
    throw new Unresolvable(`the arguments of "${called.name}" name no columns that it takes`);
  const distinct = given.get('distinct');
  if (distinct !== undefined && typeof distinct !== 'boolean')
    throw new Unresolvable('"distinct" takes true or false');
  checkAggregated(called.answers, given.get('predicate') as Json);
  if (given.has('filter')) checkRule(given.get('filter'), scope);
}

const AGGREGATE_MEMBERS: ReadonlySet<string> = new Set(['arguments', 'distinct', 'filter', 'predicate']);

function checkExists(value: unknown, scope: Scope): void {
  const exists = readExists(value, scope.table.source);
  if (exists === null) throw new Unresolvable('"_exists" needs a "_table" and a "_where", and nothing else');
  const { source, table: ref, where } = exists;
  const table = scope.find(source, ref);
  if (table === undefined) {
    throw new Unresolvable(`table "${printTable(ref)}" does not exist in source: ${source}`);
  }
  checkRule(where, { ...scope, table });
}

function comparisonScope({ table, root, find }: Scope): ComparisonScope {
  const enumValues: ComparisonScope['enumValues'] = ({ enumTable }) => {
    const values = enumTable === null ? null : find(table.source, enumTable)?.enumValues;
    return values?.map(({ value }) => value) ?? null;
  };
  return { table, root, enumValues };
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
  if (!isRecord(value)) throw new Unresolvable(`${what} must be an object`);
  return Object.entries(value);
}

function listOf(key: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Unresolvable(`"${key}" takes a list`);
}
