import { isRecord } from '../../core/json/is-record.ts';
import { tidyMetadata } from '../../metadata/document/tidy.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import { EMPTY_METADATA, type Metadata, namesOfSources, type SourceMetadata } from '../../metadata/model.ts';
import { changeOwners, changeSource, type Owner, requireSource } from '../../metadata/object/edit.ts';
import { removeObject } from '../../metadata/object/objects.ts';
import type { ArgsOf } from '../command.ts';

/** Registers a database, or with `replace_configuration` gives a registered one a new configuration. */
export function addSource(metadata: Metadata, args: ArgsOf<'pg_add_source'>): Metadata {
  const exists = namesOfSources(metadata).includes(args.name);
  if (exists && args.replace_configuration) return updateSource(metadata, args);
  if (exists) throw new MetadataError('already-exists', `source with name "${args.name}" already exists`);
  const { name, configuration, customization, health_check } = args;
  const source: SourceMetadata = {
    name,
    kind: 'postgres',
    tables: [],
    configuration,
    customization: customization ?? undefined,
    health_check,
  };
  return tidyMetadata({ ...metadata, sources: [...metadata.sources, source] });
}

/** Changes the given parts of a registered database; absent parts stay, `customization: null` removes it. */
export function updateSource(metadata: Metadata, args: ArgsOf<'pg_update_source'>): Metadata {
  const { customization } = args;
  const changed = changeSource(metadata, args.name, (source) => ({
    ...source,
    configuration: args.configuration ?? source.configuration,
    customization: customization === undefined ? source.customization : (customization ?? undefined),
    health_check: args.health_check === undefined ? source['health_check'] : args.health_check,
  }));
  return tidyMetadata(changed);
}

/** Forgets a database; what points to it must have been dealt with by the caller. */
export function dropSource(metadata: Metadata, args: ArgsOf<'pg_drop_source'>): Metadata {
  requireSource(metadata, args.name);
  return removeObject(metadata, { kind: 'source', source: args.name });
}

/** Gives a database another name, also where relationships and row rules point to it. */
export function renameSource(metadata: Metadata, args: ArgsOf<'rename_source'>): Metadata {
  requireSource(metadata, args.name);
  if (args.new_name !== args.name && namesOfSources(metadata).includes(args.new_name)) {
    throw new MetadataError('already-exists', `source with name "${args.new_name}" already exists`);
  }
  const sources = metadata.sources.map((source) => ({
    ...changeOwners(source, (owner) => repoint(owner, args)),
    name: source.name === args.name ? args.new_name : source.name,
  }));
  return { ...metadata, sources };
}

type Renaming = ArgsOf<'rename_source'>;

function repoint<T extends Owner>(owner: T, args: Renaming): T {
  const remote = owner.remote_relationships?.map((entry) => {
    const target = entry.definition.to_source;
    if (target?.source !== args.name) return entry;
    return { ...entry, definition: { ...entry.definition, to_source: { ...target, source: args.new_name } } };
  });
  const permissions = owner.select_permissions?.map((entry) => {
    const filter = repointRule(entry.permission.filter, args) as typeof entry.permission.filter;
    return { ...entry, permission: { ...entry.permission, filter } };
  });
  return {
    ...owner,
    ...(remote === undefined ? {} : { remote_relationships: remote }),
    ...(permissions === undefined ? {} : { select_permissions: permissions }),
  };
}

/** Only the table of an `_exists` names a source. */
function repointRule(rule: unknown, args: Renaming): unknown {
  if (Array.isArray(rule)) return rule.map((part) => repointRule(part, args));
  if (!isRecord(rule)) return rule;
  return Object.fromEntries(
    Object.entries(rule).map(([key, value]) => {
      return [key, key === '_table' ? repointTable(value, args) : repointRule(value, args)];
    }),
  );
}

function repointTable(table: unknown, args: Renaming): unknown {
  return isRecord(table) && table['source'] === args.name ? { ...table, source: args.new_name } : table;
}

/** Forgets everything but how to reach the default database, as Hasura does. */
export function clearMetadata(metadata: Metadata): Metadata {
  const kept = metadata.sources.filter((source) => source.name === 'default');
  return {
    ...EMPTY_METADATA,
    sources: kept.map(({ name, kind, configuration }) => ({ name, kind, tables: [], configuration })),
  };
}
