import { tableKey } from '../../core/names.ts';
import { OLDEST_POSTGRES, tooOld, unfitTarget } from '../../core/postgres/oldest-postgres.ts';
import type { Table } from '../catalog.ts';
import type { FoundTable, Introspection } from '../introspection.ts';
import { namesObjects } from '../type/held-type.ts';

/** Why no table of a target can be cached in the source; null when nothing stands in the way. `publishes` is false where Debezium does that. */
export function feedObstacle(
  source: Introspection,
  target: Introspection,
  publishes: boolean,
): string | null {
  const unfit = unfitTarget(target.server.version);
  if (unfit !== null) return unfit;
  if (source.server.version < OLDEST_POSTGRES) return tooOld('source', source.server.version);
  if (target.server.walLevel !== 'logical')
    return `wal_level is "${target.server.walLevel}", must be "logical"`;
  if (!target.server.mayReplicate) return 'the user may not replicate (alter role … replication)';
  if (target.server.inRecovery) return 'the target is a standby: a publication cannot be made there';
  if (publishes && !target.server.mayPublish)
    return 'the user may not create a publication (grant create on database …)';
  if (source.server.inRecovery) return 'the source is a standby: a cache cannot be written there';
  if (!source.server.mayCache)
    return 'the user may not make tables in schema "nearjoin" of the source database';
  return null;
}

/** Why a table cannot be cached in any source; null when it can. */
export function tableObstacle(table: Table, target: Introspection, publishes: boolean): string | null {
  const found = target.tables.get(tableKey(table.ref));
  if (found === undefined) return 'the table is gone';
  if (found.kind === 'view') return 'a view has no changes to replicate';
  if (found.kind === 'materialized-view') return 'a materialized view has no changes to replicate';
  if (found.kind === 'foreign-table') return 'a foreign table has no changes to replicate';
  if (!found.logged) return 'an unlogged table is not replicated';
  if (publishes && !found.publishable) return 'the user does not own the table and so cannot publish it';
  return keyObstacle(found);
}

/** Why the mapped columns cannot be looked up in a cache of the table. */
export function mappingObstacle(table: Table, columns: readonly string[]): string | null {
  const generated = columns.find((name) => table.columnByName.get(name)?.generated === true);
  if (generated !== undefined) return `mapped column "${generated}" is generated and not replicated`;
  const naming = columns.find((name) => {
    const column = table.columnByName.get(name);
    return column !== undefined && namesObjects(column.type);
  });
  return naming === undefined ? null : `mapped column "${naming}" holds names of objects, which may change`;
}

/** Postgres refuses updates of a published table whose replica identity tells no rows apart: publishing it would break its users' writes. */
function keyObstacle(found: FoundTable): string | null {
  const primary = found.keys.find((key) => key.primary);
  switch (found.replicaIdentity) {
    case 'd':
      return primary === undefined ? 'the table has no primary key' : null;
    case 'n':
      return 'replica identity is "nothing": changes do not say which row they are about';
    case 'i':
      return found.keys.some((key) => key.replicaIdentity)
        ? null
        : 'the index of its replica identity is gone';
    case 'f':
      return found.keys.some((key) => isRowKey(found, key.columns))
        ? null
        : 'the table has no key without nulls';
  }
}

function isRowKey(found: FoundTable, columns: readonly string[]): boolean {
  return columns.every((name) => found.columns.some((column) => column.name === name && column.notNull));
}
