import type { SourceName } from '../../core/names.ts';
import type { CommandOf } from '../command.ts';
import { changeSource } from '../edit.ts';
import { MetadataError } from '../metadata-error.ts';
import type { Metadata, SourceMetadata } from '../model.ts';
import { removeObject } from '../objects.ts';
import { codeParts, UNCLOSED } from '../query-code.ts';
import { changePermissions, type ModelRef } from '../query-objects.ts';
import { tidyEntry, tidyQuery } from '../tidy.ts';

/** A command about logical models and native queries. */
export type QueryCommand = CommandOf<
  | 'pg_track_logical_model'
  | 'pg_untrack_logical_model'
  | 'pg_create_logical_model_select_permission'
  | 'pg_drop_logical_model_select_permission'
  | 'pg_track_native_query'
  | 'pg_untrack_native_query'
>;
type ArgsOf<K extends QueryCommand['type']> = CommandOf<K>['args'];

/** What such a command makes of the metadata. */
export function reduceQueries(metadata: Metadata, command: QueryCommand): Metadata {
  switch (command.type) {
    case 'pg_track_logical_model':
      return trackModel(metadata, command.args);
    case 'pg_untrack_logical_model':
      return untrack(metadata, { kind: 'logical_model', ...command.args });
    case 'pg_create_logical_model_select_permission':
      return createPermission(metadata, command.args);
    case 'pg_drop_logical_model_select_permission':
      return dropPermission(metadata, command.args);
    case 'pg_track_native_query':
      return trackQuery(metadata, command.args);
    default:
      return untrack(metadata, {
        kind: 'native_query',
        source: command.args.source,
        name: command.args.root_field_name,
      });
  }
}

/** The source whose logical models or native queries are asked for. */
export function sourceOfQueries(metadata: Metadata, name: SourceName): SourceMetadata {
  return sourceOr(metadata, name, `Source '${name}' of kind postgres not found.`);
}

function trackModel(metadata: Metadata, args: ArgsOf<'pg_track_logical_model'>): Metadata {
  const { source: name, select_permissions: _given, ...model } = args;
  const source = sourceOr(metadata, name, `Source ${name} not found.`);
  const models = source.logical_models ?? [];
  if (models.some((known) => known.name === model.name)) throw alreadyTracked('Logical model', model.name);
  return changeSource(metadata, name, () => ({ ...source, logical_models: [...models, tidyQuery(model)] }));
}

function trackQuery(metadata: Metadata, args: ArgsOf<'pg_track_native_query'>): Metadata {
  const { source: name, type: _only, ...query } = args;
  const source = sourceOfQueries(metadata, name);
  if (codeParts(query.code) === null) throw new MetadataError('parse-failed', UNCLOSED);
  const queries = source.native_queries ?? [];
  if (queries.some((known) => known.root_field_name === query.root_field_name))
    throw alreadyTracked('Native query', query.root_field_name);
  return changeSource(metadata, name, () => ({ ...source, native_queries: [...queries, tidyQuery(query)] }));
}

function untrack(metadata: Metadata, ref: ModelRef): Metadata {
  requireModel(metadata, ref);
  return removeObject(metadata, ref);
}

/** As in Hasura one that is there already is replaced. */
function createPermission(
  metadata: Metadata,
  args: ArgsOf<'pg_create_logical_model_select_permission'>,
): Metadata {
  const { role, permission, comment } = args;
  const ref = modelRef(args);
  const entry = tidyEntry({ role, permission, comment });
  requireModel(metadata, ref);
  return changeSource(metadata, ref.source, (source) =>
    changePermissions(source, ref, (entries) => [...entries.filter((known) => known.role !== role), entry]),
  );
}

function dropPermission(
  metadata: Metadata,
  args: ArgsOf<'pg_drop_logical_model_select_permission'>,
): Metadata {
  const ref = modelRef(args);
  requireModel(metadata, ref);
  return removeObject(metadata, { kind: 'model_permission', source: args.source, of: ref, name: args.role });
}

function modelRef({ source, name, type: kind }: ArgsOf<'pg_drop_logical_model_select_permission'>): ModelRef {
  return { kind, source, name };
}

function requireModel(metadata: Metadata, { kind, source: name, name: model }: ModelRef): void {
  const source = sourceOr(metadata, name, `Source "${name}" not found.`);
  const names =
    kind === 'logical_model'
      ? (source.logical_models ?? []).map((known) => known.name)
      : (source.native_queries ?? []).map((known) => known.root_field_name);
  if (names.includes(model)) return;
  const what = kind === 'logical_model' ? 'Logical model' : 'Native query';
  throw notFound(`${what} "${model}" not found in source "${name}".`);
}

function sourceOr(metadata: Metadata, name: SourceName, message: string): SourceMetadata {
  const found = metadata.sources.find((source) => source.name === name);
  if (found === undefined) throw notFound(message);
  return found;
}

function alreadyTracked(what: string, name: string): MetadataError {
  return new MetadataError('already-tracked', `${what} '${name}' is already tracked.`);
}

/** Hasura's status for what is not there differs here from its usual one. */
function notFound(message: string): MetadataError {
  return new MetadataError('not-found', message, { status: 400 });
}
