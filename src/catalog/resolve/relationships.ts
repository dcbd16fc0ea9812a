import type { TableMetadata } from '../../metadata/model.ts';
import type { InconsistentObject, Relationship, Table } from '../catalog.ts';
import type { Introspection } from '../introspection.ts';
import { resolveLocal } from './local-relationships.ts';
import { isGraphqlName } from './names.ts';
import { attempt, type Subject, Unresolvable } from './problems.ts';
import { type RemoteScope, resolveRemote } from './remote-relationships.ts';

/** What relationships of one source's tables can lead to. */
export interface RelationshipScope {
  readonly found: Introspection;
  readonly sources: RemoteScope;
}

/** The table with its relationships; tables they lead to are asked for, and need no relationships yet. */
export function withRelationships(
  table: Table,
  tracked: TableMetadata,
  scope: RelationshipScope,
  problems: InconsistentObject[],
): Table {
  return { ...table, relationships: relationshipsOf(table, tracked, scope, problems) };
}

function relationshipsOf(
  table: Table,
  tracked: TableMetadata,
  scope: RelationshipScope,
  problems: InconsistentObject[],
): ReadonlyMap<string, Relationship> {
  const found = new Map<string, Relationship>();
  const taken = new Map(
    [...table.columnByField].map(([field, column]) => [field, `postgres column "${column.name}"`]),
  );
  const add = (subject: Subject, resolve: () => Relationship): void => {
    const relationship = attempt(subject, problems, () => unclashing(resolve(), table, taken));
    if (relationship !== null) found.set(relationship.name, relationship);
  };
  const place = { source: table.source, table: table.ref };
  for (const entry of tracked.object_relationships ?? []) {
    const subject = { kind: 'object_relation', ...place, entry } as const;
    add(subject, () =>
      resolveLocal(table, entry, 'object', { find: scope.sources.find, found: scope.found }),
    );
  }
  for (const entry of tracked.array_relationships ?? []) {
    const subject = { kind: 'array_relation', ...place, entry } as const;
    add(subject, () => resolveLocal(table, entry, 'array', { find: scope.sources.find, found: scope.found }));
  }
  for (const entry of tracked.remote_relationships ?? []) {
    add({ kind: 'remote_relationship', ...place, entry }, () => resolveRemote(table, entry, scope.sources));
  }
  return found;
}

/** Claims the relationship's fields; an array one brings `<name>_aggregate` too. */
function unclashing(
  relationship: Relationship,
  { spelling }: Table,
  taken: Map<string, string>,
): Relationship {
  const { name, kind } = relationship;
  if (!isGraphqlName(name)) throw new Unresolvable(`"${name}" is not a valid GraphQL identifier`);
  const fields = kind === 'array' ? [name, spelling.field(`${name}_aggregate`)] : [name];
  for (const field of fields) {
    const owner = taken.get(field);
    if (owner === undefined) continue;
    const what =
      owner.startsWith('postgres') && owner !== `postgres column "${field}"`
        ? `custom field name for ${owner}`
        : owner;
    throw new Unresolvable(`field definition conflicts with ${what}`, { located: false });
  }
  for (const field of fields) taken.set(field, `relationship "${name}"`);
  return relationship;
}
