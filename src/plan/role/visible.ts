import { takesArguments } from '../../catalog/call/function-arguments.ts';
import { looseRows } from '../../catalog/call/loose-rows.ts';
import {
  type Catalog,
  type Column,
  type ComputedField,
  findTable,
  type Relationship,
  type RootName,
  type Table,
} from '../../catalog/catalog.ts';
import type { SelectPermission } from '../../catalog/part/select-permission.ts';
import { must } from '../../core/assert.ts';
import { ADMIN, type RoleName, type SourceName, type TableRef } from '../../core/names.ts';

/** Hasura's ways into a table. */
export type RootFieldKind = 'select' | 'select_by_pk' | 'select_aggregate' | 'select_stream';

/** Which root type a field belongs to. */
export type RootType = 'query_root' | 'subscription_root';

/** A table as one role may see it; a table without any permission for the role has no such view. */
export interface VisibleTable {
  readonly table: Table;
  readonly role: RoleName;
  /** The role's own permission, or those of its parents; empty for admin, who is not restricted. */
  readonly permissions: readonly SelectPermission[];
  /** Visible columns in the table's order. */
  readonly columns: readonly Column[];
  /** Visible columns by GraphQL name. */
  readonly columnByField: ReadonlyMap<string, Column>;
  /** Most rows one selection returns; null means no limit. */
  readonly limit: number | null;
  readonly mayAggregate: boolean;
}

/** A relationship the role may follow, with its right side as the role sees it. */
export interface VisibleRelationship {
  readonly relationship: Relationship;
  readonly target: VisibleTable;
}

/** A root field a role may ask for. */
export interface VisibleRootField {
  readonly kind: RootFieldKind;
  readonly root: RootName;
  readonly target: VisibleTable;
}

/** What the role sees of a table; null when the table does not exist for it. */
export function visibleTable(
  catalog: Catalog,
  role: RoleName,
  source: SourceName,
  ref: TableRef,
): VisibleTable | null {
  const table = findTable(catalog, source, ref);
  return table === undefined ? null : viewOf(catalog, role, table);
}

/** Every table the role sees, by source, in the catalog's order. */
export function visibleTables(catalog: Catalog, role: RoleName): readonly VisibleTable[] {
  const found: VisibleTable[] = [];
  for (const source of catalog.sources.values()) {
    for (const table of source.tables.values()) {
      const view = viewOf(catalog, role, table);
      if (view !== null) found.push(view);
    }
  }
  return found;
}

/** The relationships of a table that lead to a table the role sees. */
export function visibleRelationships(catalog: Catalog, from: VisibleTable): readonly VisibleRelationship[] {
  const found: VisibleRelationship[] = [];
  for (const relationship of from.table.relationships.values()) {
    const target = visibleTable(catalog, from.role, relationship.source, relationship.table);
    if (target !== null) found.push({ relationship, target });
  }
  return found;
}

/** Those that conditions and orderings may follow. */
export function comparedRelationships(catalog: Catalog, from: VisibleTable): readonly VisibleRelationship[] {
  return visibleRelationships(catalog, from).filter((step) => isCompared(step, from));
}

/** One relationship by name, if the role may follow it. */
export function visibleRelationship(
  catalog: Catalog,
  from: VisibleTable,
  name: string,
): VisibleRelationship | null {
  const relationship = from.table.relationships.get(name);
  if (relationship === undefined) return null;
  const target = visibleTable(catalog, from.role, relationship.source, relationship.table);
  return target === null ? null : { relationship, target };
}

/**
 * Whether conditions and orderings may follow a relationship. As in Hasura, not from a native query, whose conditions are
 * about its columns only; nor to one, which would get no arguments.
 */
export function isCompared({ target }: VisibleRelationship, from: VisibleTable): boolean {
  return from.table.query === undefined && target.table.query === undefined;
}

/** The array relationship whose aggregate field has this name, if the role may follow it. */
export function visibleAggregate(
  catalog: Catalog,
  from: VisibleTable,
  field: string,
): VisibleRelationship | null {
  for (const relationship of from.table.relationships.values()) {
    if (relationship.kind === 'array' && aggregateField(from, relationship) === field)
      return visibleRelationship(catalog, from, relationship.name);
  }
  return null;
}

/** The field that aggregates the rows of an array relationship, or of a computed field. */
export function aggregateField({ table }: VisibleTable, { name }: { readonly name: string }): string {
  return table.spelling.field(`${name}_aggregate`);
}

/** A computed field the role may ask for; its rows as the role sees them, null where it is a value. */
export interface VisibleComputed {
  readonly field: ComputedField;
  readonly target: VisibleTable | null;
}

/** The computed fields of a table that the role sees: values it was given, and rows of tables it sees. */
export function visibleComputedFields(catalog: Catalog, from: VisibleTable): readonly VisibleComputed[] {
  return [...from.table.computedFields.keys()].flatMap((name) => visibleComputed(catalog, from, name) ?? []);
}

/** One computed field by name, if the role sees it. */
export function visibleComputed(catalog: Catalog, from: VisibleTable, name: string): VisibleComputed | null {
  const field = from.table.computedFields.get(name);
  if (field === undefined) return null;
  if (field.returns.kind === 'scalar') {
    const { permissions } = from;
    const isSeen = permissions.length === 0 || permissions.some((one) => one.computedFields.has(name));
    return isSeen ? { field, target: null } : null;
  }
  const target = visibleTable(catalog, from.role, from.table.source, field.returns.table);
  return target === null ? null : { field, target };
}

/** The computed field whose aggregated rows this member of an ordering names; null where there is none. */
export function aggregatedComputed(
  catalog: Catalog,
  from: VisibleTable,
  member: string,
): { readonly name: string; readonly target: VisibleTable } | null {
  for (const { field, target } of visibleComputedFields(catalog, from)) {
    if (target === null || takesArguments(field)) continue;
    if (aggregateField(from, field) === member) return { name: field.name, target };
  }
  return null;
}

/** What the role sees of rows that a function answers, which are like those of a table it sees. */
export function looseView(catalog: Catalog, { table, role }: VisibleTable): VisibleTable {
  return must(viewOf(catalog, role, looseRows(table)), 'view of a table that is seen');
}

/** The fields of a root type through which the role reaches a table. */
export function rootFieldsOf(target: VisibleTable, type: RootType): readonly VisibleRootField[] {
  const { root, primaryKey } = target.table;
  const found: VisibleRootField[] = [];
  const add = (kind: RootFieldKind, name: RootName): void => {
    if (opens(target, kind, type)) found.push({ kind, root: name, target });
  };
  add('select', root.select);
  const keyIsVisible = primaryKey.every((column) => target.columnByField.has(column.field));
  if (primaryKey.length > 0 && keyIsVisible) add('select_by_pk', root.selectByPk);
  if (target.mayAggregate) add('select_aggregate', root.selectAggregate);
  if (type === 'subscription_root' && mayBegin(target)) add('select_stream', root.selectStream);
  return found;
}

/**
 * For a role made of several: the permissions that show the column, when others of its permissions do not. The
 * column then reads as null in rows that only the others let through. Null when the column is never hidden.
 */
export function showingPermissions(view: VisibleTable, column: Column): readonly SelectPermission[] | null {
  const { name, computed } = column;
  const showing = view.permissions.filter(({ columns, computedFields }) =>
    computed === undefined ? columns.has(name) : computedFields.has(computed.field),
  );
  return showing.length === view.permissions.length ? null : showing;
}

/** What the role sees of a table or of rows like it; null where it has no permission. */
export function viewOf(catalog: Catalog, role: RoleName, table: Table): VisibleTable | null {
  if (role === ADMIN) return unrestricted(table);
  const permissions = permissionsOf(catalog, role, table);
  if (permissions.length === 0) return null;
  const columns = table.columns.filter((column) =>
    permissions.some(({ columns: seen }) => seen.has(column.name)),
  );
  return {
    table,
    role,
    permissions,
    columns,
    columnByField: new Map(columns.map((column) => [column.field, column])),
    limit: largestLimit(permissions),
    mayAggregate: mayAggregate(table) && permissions.some((permission) => permission.allowAggregations),
  };
}

function unrestricted(table: Table): VisibleTable {
  const { columns, columnByField } = table;
  return {
    table,
    role: ADMIN,
    permissions: [],
    columns,
    columnByField,
    limit: null,
    mayAggregate: mayAggregate(table),
  };
}

/** As in Hasura native queries are not aggregated. */
function mayAggregate({ query }: Table): boolean {
  return query === undefined;
}

/** A permission defined on the role itself, be it one that does not hold, wins over those it inherits, at every level of inheritance. */
function permissionsOf(catalog: Catalog, role: RoleName, table: Table): readonly SelectPermission[] {
  const found = new Set<SelectPermission>();
  const seen = new Set<RoleName>();
  const pending: RoleName[] = [role];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const own = table.permissions.get(next);
    if (own === undefined) pending.push(...[...(catalog.inheritedRoles.get(next) ?? [])].reverse());
    else if (own !== null) found.add(own);
  }
  return [...found];
}

/** As in Hasura, a permission without a limit lifts none of another's. */
function largestLimit(permissions: readonly SelectPermission[]): number | null {
  const limits = permissions.flatMap(({ limit }) => limit ?? []);
  return limits.length === 0 ? null : Math.max(...limits);
}

/** A stream begins at the value of a column that can be named. */
function mayBegin({ table, columns }: VisibleTable): boolean {
  return columns.some((column) => table.columnByField.get(column.field) === column);
}

function opens(target: VisibleTable, kind: RootFieldKind, type: RootType): boolean {
  if (target.permissions.length === 0) return true;
  return target.permissions.some(({ queryRootFields, subscriptionRootFields }) => {
    const fields: ReadonlySet<RootFieldKind> | null =
      type === 'query_root' ? queryRootFields : subscriptionRootFields;
    return fields === null || fields.has(kind);
  });
}
