import type { InconsistentObject } from '../../../core/inconsistent-object.ts';
import type { TableMetadata } from '../../../metadata/model.ts';
import type { Relationship, Table } from '../../catalog.ts';
import type { Introspection } from '../../introspection.ts';
import { claimFields, computedFieldsOf, type FieldsOf, type Taken } from '../call/computed-fields.ts';
import { requireGraphqlName, type SourceNames } from '../names.ts';
import { attempt, type Subject } from '../problems.ts';
import { resolveLocal } from './local-relationships.ts';
import { type RemoteScope, resolveRemote } from './remote-relationships.ts';

/** What relationships of one source's tables can lead to. */
export interface RelationshipScope {
  readonly found: Introspection;
  readonly names: SourceNames;
  readonly sources: RemoteScope;
}

/** The table with its relationships and computed fields. The tables that they lead to need not have theirs yet. */
export function withRelationships(
  table: Table,
  tracked: TableMetadata,
  scope: RelationshipScope,
  problems: InconsistentObject[],
): Table {
  const taken: Taken = new Map(
    [...table.columnByField].map(([field, column]) => [field, `postgres column "${column.name}"`]),
  );
  const relationships = relationshipsOf({ table, tracked, taken }, scope, problems);
  const { found, names, sources } = scope;
  const computed = computedFieldsOf(
    { table, tracked, taken },
    { found, names, find: sources.find },
    problems,
  );
  return { ...table, relationships, computedFields: computed };
}

function relationshipsOf(
  { table, tracked, taken }: FieldsOf,
  scope: RelationshipScope,
  problems: InconsistentObject[],
): ReadonlyMap<string, Relationship> {
  const found = new Map<string, Relationship>();
  const add = (subject: Subject, resolve: () => Relationship): void => {
    const relationship = attempt(subject, problems, () => claimRelationship(resolve(), table, taken));
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
export function claimRelationship(
  relationship: Relationship,
  { spelling }: Table,
  taken: Taken,
): Relationship {
  const { name, kind } = relationship;
  requireGraphqlName(name);
  const fields = kind === 'array' ? [name, spelling.field(`${name}_aggregate`)] : [name];
  claimFields(fields, `relationship "${name}"`, taken);
  return relationship;
}
