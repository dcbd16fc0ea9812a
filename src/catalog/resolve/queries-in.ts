import { must } from '../../core/assert.ts';
import type { InconsistentObject } from '../../core/inconsistent-object.ts';
import { tableKey } from '../../core/names.ts';
import type { NativeQueryMetadata } from '../../metadata/model/native-queries.ts';
import type { SelectPermissionEntry } from '../../metadata/model/permissions.ts';
import type { ModelRef } from '../../metadata/object/query-objects.ts';
import { looseRows } from '../call/loose-rows.ts';
import type { Relationship, Table, TrackedFunction } from '../catalog.ts';
import { type Model, modelOf, valuesIn } from '../introspect/native-text.ts';
import { isAvailable } from '../introspection.ts';
import type { NamedQuery } from './call/native-queries.ts';
import type { Draft } from './drafts.ts';
import type { FindTable } from './memo.ts';
import { attempt } from './problems.ts';
import { type LocalScope, resolveLocal } from './relationship/local-relationships.ts';
import { claimRelationship } from './relationship/relationships.ts';
import { type RemoteScope, resolveRemote } from './relationship/remote-relationships.ts';
import { type Permitting, permissionsOf } from './rule/permissions.ts';

/** The tables that native queries may refer to. */
export interface QueryScope {
  readonly sources: RemoteScope;
  /** Tables that row rules may look at. */
  readonly ruled: FindTable;
}

/** A source's valid native queries: as tables, which relationships can lead to, and as root fields. */
export interface SourceQueries {
  readonly tables: ReadonlyMap<string, Table>;
  readonly called: readonly (readonly [string, TrackedFunction])[];
}

/** The native queries of a source with their relationships and permissions. */
export function finishedQueries(
  { metadata, found, queries }: Draft,
  scope: QueryScope,
  problems: InconsistentObject[],
): SourceQueries {
  const tables = new Map<string, Table>();
  const called: (readonly [string, TrackedFunction])[] = [];
  if (!isAvailable(found)) return { tables, called };
  for (const query of queries.values()) {
    const { source, entry } = query;
    const related = attempt({ kind: 'native_query', source, entry }, problems, () =>
      relationshipsOf(query, { find: scope.sources.find, found }, scope.sources),
    );
    if (related === null) continue;
    const given = permissionsIn(must(modelOf(metadata, entry), 'the model of a native query'));
    const permissions = permitted(query.table, given, scope.ruled, problems);
    const table = { ...query.table, relationships: related, permissions };
    const key = tableKey(table.ref);
    tables.set(key, table);
    called.push([key, calledRows(query, table)]);
  }
  return { tables, called };
}

function calledRows({ source, root, table: { query } }: NamedQuery, table: Table): TrackedFunction {
  const { ref } = table;
  const rows = looseRows(table);
  const roots = { rows: root, aggregate: null };
  return {
    ...query,
    source,
    ref,
    returns: ref,
    rows,
    set: true,
    exposedAs: 'query',
    root: roots,
    roles: null,
  };
}

function relationshipsOf(
  { table, entry }: NamedQuery,
  local: LocalScope,
  remote: RemoteScope,
): ReadonlyMap<string, Relationship> {
  const taken = new Map([...table.columnByField].map(([field, { name }]) => [field, `column "${name}"`]));
  const byHand = (
    kind: Relationship['kind'],
    list: NativeQueryMetadata['object_relationships'],
  ): Relationship[] =>
    (list ?? []).map(({ name, using }) =>
      resolveLocal(table, { name, using: { manual_configuration: using } }, kind, local),
    );
  const all = [
    ...byHand('object', entry.object_relationships),
    ...byHand('array', entry.array_relationships),
    ...(entry.remote_relationships ?? []).map((one) => resolveRemote(table, one, remote)),
  ];
  return new Map(all.map((one) => [one.name, claimRelationship(one, table, taken)]));
}

/** Select permissions, and the model they belong to. */
interface Given {
  readonly of: ModelRef;
  readonly entries: readonly SelectPermissionEntry[];
}

function permissionsIn({ ref, fields, permissions }: Model): Given {
  const values = new Set(valuesIn(fields).map(({ name }) => name));
  const others = new Set(fields.map(({ name }) => name).filter((name) => !values.has(name)));
  return { of: ref, entries: permissions.map((entry) => ofValues(entry, others)) };
}

/** Fields that are relationships need no permission: what counts is the one of the table they lead to. */
function ofValues(entry: SelectPermissionEntry, others: ReadonlySet<string>): SelectPermissionEntry {
  const { columns } = entry.permission;
  if (columns === '*') return entry;
  return {
    ...entry,
    permission: { ...entry.permission, columns: columns.filter((name) => !others.has(name)) },
  };
}

/** Several queries may return one model; its problems are reported once. */
function permitted(
  table: Table,
  { of, entries }: Given,
  find: FindTable,
  problems: InconsistentObject[],
): Table['permissions'] {
  const found: InconsistentObject[] = [];
  const subjectOf: Permitting['subjectOf'] = (entry) => {
    return { kind: 'model_permission', source: table.source, of, entry };
  };
  const permissions = permissionsOf(table, { entries, subjectOf, find }, found);
  problems.push(...found.filter(({ name }) => !problems.some((known) => known.name === name)));
  return permissions;
}
