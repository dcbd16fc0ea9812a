import type { InconsistentObject } from '../../core/inconsistent-object.ts';
import { printTable, type SourceName, type TableRef } from '../../core/names.ts';
import type { NativeQueryMetadata } from '../../metadata/model/native-queries.ts';
import type { SelectPermissionEntry } from '../../metadata/model/permissions.ts';
import type {
  LocalRelationshipMetadata,
  RemoteRelationshipMetadata,
} from '../../metadata/model/relationships.ts';
import type { RestEndpoint } from '../../metadata/model/rest-endpoints.ts';
import type { ComputedFieldMetadata } from '../../metadata/model.ts';
import { objectName } from '../../metadata/object/objects.ts';
import type { ModelRef } from '../../metadata/object/query-objects.ts';

interface TableEntry<Kind extends string, Entry> {
  readonly kind: Kind;
  readonly source: SourceName;
  readonly table: TableRef;
  readonly entry: Entry;
}

/** The metadata object that is checked; a problem is reported under its name. */
export type Subject =
  | { readonly kind: 'source'; readonly source: SourceName }
  | { readonly kind: 'table'; readonly source: SourceName; readonly table: TableRef }
  | TableEntry<'object_relation' | 'array_relation', LocalRelationshipMetadata>
  | TableEntry<'remote_relationship', RemoteRelationshipMetadata>
  | TableEntry<'computed_field', ComputedFieldMetadata>
  | TableEntry<'select_permission', SelectPermissionEntry>
  | { readonly kind: 'function'; readonly source: SourceName; readonly function: TableRef }
  | { readonly kind: 'native_query'; readonly source: SourceName; readonly entry: NativeQueryMetadata }
  | {
      readonly kind: 'model_permission';
      readonly source: SourceName;
      readonly of: ModelRef;
      readonly entry: SelectPermissionEntry;
    }
  | { readonly kind: 'inherited_role'; readonly name: string; readonly parents: readonly string[] }
  | { readonly kind: 'rest_endpoint'; readonly entry: RestEndpoint };

/** What is wrong with a metadata object; thrown and caught inside `resolve` only. */
export class Unresolvable extends Error {
  /** Say where (`in table "t": in relationship "r": …`) before the message, as Hasura does for most. */
  readonly located: boolean;

  constructor(message: string, options: { readonly located: boolean } = { located: true }) {
    super(message);
    this.name = 'Unresolvable';
    this.located = options.located;
  }
}

/** An inconsistent object in Hasura's shape. */
export function inconsistency(subject: Subject, problem: Unresolvable): InconsistentObject {
  const where = problem.located ? location(subject) : '';
  return {
    type: subject.kind === 'model_permission' ? 'select_permission' : subject.kind,
    name: nameOf(subject),
    reason: `Inconsistent object: ${where}${problem.message}`,
    definition: definitionOf(subject),
  };
}

/** The end of a message that gives reasons, listed as Hasura does. */
export function becauseOf(reasons: readonly string[]): string {
  if (reasons.length === 1) return `because ${reasons[0]}`;
  return `for the following reasons:\n${reasons.map((reason) => `  • ${reason}\n`).join('')}`;
}

/** Runs a check; what it refuses is added to `found`, and the result is null. */
export function attempt<T>(subject: Subject, found: InconsistentObject[], check: () => T): T | null {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof Unresolvable)) throw error;
    found.push(inconsistency(subject, error));
    return null;
  }
}

/** Hasura's name of the subject. */
export function nameOf(subject: Subject): string {
  switch (subject.kind) {
    case 'source':
    case 'table':
    case 'function':
      return objectName(subject);
    case 'inherited_role':
      return objectName({ kind: 'inherited_role', name: subject.name });
    case 'rest_endpoint':
      return objectName({ kind: 'rest_endpoint', name: subject.entry.name });
    case 'native_query':
      return objectName({ ...subject, name: subject.entry.root_field_name });
    case 'select_permission':
    case 'model_permission':
      return objectName({ ...subject, name: subject.entry.role });
    default:
      return objectName({ ...subject, name: subject.entry.name });
  }
}

function location(subject: Subject): string {
  switch (subject.kind) {
    case 'source':
    case 'table':
    case 'inherited_role':
    case 'native_query':
      return '';
    case 'model_permission':
      return `in logical model "${subject.of.name}": in permission for role "${subject.entry.role}": `;
    case 'rest_endpoint':
      return `in endpoint ${subject.entry.name}: `;
    case 'function':
      return `in function "${printTable(subject.function)}": `;
    case 'select_permission':
      return `in table "${printTable(subject.table)}": in permission for role "${subject.entry.role}": `;
    case 'computed_field':
      return `in table "${printTable(subject.table)}": in computed field "${subject.entry.name}": `;
    case 'remote_relationship':
      return `in table "${printTable(subject.table)}": in remote relationship "${subject.entry.name}": `;
    default:
      return `in table "${printTable(subject.table)}": in relationship "${subject.entry.name}": `;
  }
}

/** The arguments of the command that would create the subject, defaults filled in. */
export function definitionOf(subject: Subject): unknown {
  switch (subject.kind) {
    case 'source':
      return subject.source;
    case 'table':
      return subject.table;
    case 'function':
      return subject.function;
    case 'inherited_role':
      return { role_name: subject.name, role_set: subject.parents };
    case 'rest_endpoint':
      return { ...subject.entry, comment: subject.entry.comment ?? null };
    case 'native_query':
      return subject.entry;
    case 'model_permission':
      return { source: subject.source, name: subject.of.name, ...subject.entry };
    case 'select_permission': {
      const { source, table, entry } = subject;
      const permission = { allow_aggregations: false, computed_fields: [], ...entry.permission };
      return { source, table, role: entry.role, comment: entry.comment ?? null, permission };
    }
    case 'computed_field': {
      const { source, table, entry } = subject;
      const { name, definition, comment } = entry;
      return { source, table, name, definition, comment: comment ?? null };
    }
    case 'remote_relationship': {
      const { source, table, entry } = subject;
      return { source, table, name: entry.name, definition: entry.definition };
    }
    default: {
      const { source, table, entry } = subject;
      return {
        source,
        table,
        name: entry.name,
        comment: entry.comment ?? null,
        using: usingWithDefaults(entry.using),
      };
    }
  }
}

function usingWithDefaults(using: LocalRelationshipMetadata['using']): unknown {
  if (!('manual_configuration' in using)) return using;
  return { manual_configuration: { insertion_order: null, ...using.manual_configuration } };
}
