import type { SourceName } from '../../core/names.ts';
import { tidyEntry, tidyQuery } from '../../metadata/document/tidy.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { Metadata, SourceMetadata } from '../../metadata/model.ts';
import { changeSource } from '../../metadata/object/edit.ts';
import { removeObject } from '../../metadata/object/objects.ts';
import { codeParts, UNCLOSED } from '../../metadata/object/query-code.ts';
import { changePermissions, type ModelRef } from '../../metadata/object/query-objects.ts';
import type { ArgsOf } from '../command.ts';

/** The source whose logical models or native queries are asked for. */
export function sourceOfQueries(metadata: Metadata, name: SourceName): SourceMetadata {
  return sourceOr(metadata, name, `Source '${name}' of kind postgres not found.`);
}

/** Adds a logical model to a source; its permissions come by commands of their own. */
export function trackModel(metadata: Metadata, args: ArgsOf<'pg_track_logical_model'>): Metadata {
  const { source: name, select_permissions: _given, ...model } = args;
  const source = sourceOr(metadata, name, `Source ${name} not found.`);
  const models = source.logical_models ?? [];
  if (models.some((known) => known.name === model.name)) throw alreadyTracked('Logical model', model.name);
  return changeSource(metadata, name, () => ({ ...source, logical_models: [...models, tidyQuery(model)] }));
}

/** Adds a native query to a source; refuses a text that cannot be taken apart. */
export function trackQuery(metadata: Metadata, args: ArgsOf<'pg_track_native_query'>): Metadata {
  const { source: name, type: _only, ...query } = args;
  const source = sourceOfQueries(metadata, name);
  if (codeParts(query.code) === null) throw new MetadataError('parse-failed', UNCLOSED);
  const queries = source.native_queries ?? [];
  if (queries.some((known) => known.root_field_name === query.root_field_name))
    throw alreadyTracked('Native query', query.root_field_name);
  return changeSource(metadata, name, () => ({ ...source, native_queries: [...queries, tidyQuery(query)] }));
}

/** Removes a logical model; what uses it must have been dealt with by the caller. */
export function untrackModel(metadata: Metadata, args: ArgsOf<'pg_untrack_logical_model'>): Metadata {
  return untrack(metadata, { kind: 'logical_model', ...args });
}

/** Removes a native query; what uses it must have been dealt with by the caller. */
export function untrackQuery(
  metadata: Metadata,
  { source, root_field_name: name }: ArgsOf<'pg_untrack_native_query'>,
): Metadata {
  return untrack(metadata, { kind: 'native_query', source, name });
}

function untrack(metadata: Metadata, ref: ModelRef): Metadata {
  requireModel(metadata, ref);
  return removeObject(metadata, ref);
}

/** Lets a role read rows of a model; as in Hasura a permission that is there already is replaced. */
export function createModelPermission(
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

/** Takes a role's permission to read rows of a model away; refuses a model that is not there. */
export function dropModelPermission(
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
