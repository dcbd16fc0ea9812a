import { printTable, type SourceName } from '../../../core/names.ts';
import type { CacheOptions, RemoteRelationshipMetadata } from '../../../metadata/model/relationships.ts';
import type { Relationship, RemoteOptions, Table } from '../../catalog.ts';
import { mappingProblem } from '../../conditions/mapping.ts';
import type { FindTable } from '../memo.ts';
import { Unresolvable } from '../problems.ts';
import { coversKey, isIndexed, pairs } from './local-relationships.ts';

/** Why a database does not answer, null while it does; there is no entry for one that nobody registered. */
export type Unavailable = ReadonlyMap<SourceName, string | null>;

/** What is known of all databases while relationships are resolved. */
export interface RemoteScope {
  readonly find: FindTable;
  readonly unavailable: Unavailable;
}

/** A relationship to a table of another database, or of the same one. */
export function resolveRemote(
  left: Table,
  entry: RemoteRelationshipMetadata,
  scope: RemoteScope,
): Relationship {
  const to = entry.definition.to_source;
  if (to === undefined) {
    throw new Unresolvable(
      'remote schemas are not supported: only relationships to a source (to_source) are',
    );
  }
  const unavailable = scope.unavailable.get(to.source);
  if (unavailable === undefined) throw new Unresolvable(`source not found: "${to.source}"`);
  if (unavailable !== null) throw new Unresolvable(`source "${to.source}" is unavailable: ${unavailable}`);
  const right = scope.find(to.source, to.table);
  if (right === undefined) {
    const name = 'schema' in to.table ? `"${printTable(to.table)}"` : JSON.stringify(to.table);
    throw new Unresolvable(`table ${name} does not exist in source: ${to.source}`);
  }
  const on = pairs(left, right, Object.entries(to.field_mapping));
  for (const pair of on) {
    const problem = mappingProblem(pair.left, pair.right);
    if (problem !== null) throw new Unresolvable(problem);
  }
  return {
    name: entry.name,
    kind: to.relationship_type,
    source: to.source,
    table: right.ref,
    on,
    unique: coversKey(right, on),
    indexed: isIndexed(right, on),
    total: false,
    description: null,
    remote: optionsOf(to.nearjoin),
  };
}

/** nearjoin's options with their defaults; an unset bound or fallback is the server's. */
function optionsOf(options: CacheOptions = {}): RemoteOptions {
  return {
    cache: options.cache ?? true,
    maxStalenessMs: options.max_staleness_ms ?? null,
    fallback: options.fallback ?? null,
    onTargetDown: options.on_target_down ?? 'error',
    follow: options.follow ?? 'object',
  };
}
