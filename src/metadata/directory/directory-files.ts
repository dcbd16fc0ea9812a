import { createHash } from 'node:crypto';
import { stringify } from 'yaml';
import type { TableRef } from '../../core/names.ts';
import type { Metadata, SourceMetadata } from '../model.ts';

/** One file of the directory: the section of the document it holds, or null where the file holds several. */
interface ObjectFile {
  readonly file: string;
  readonly key: string | null;
  /** What the stock command line writes when there is nothing. */
  readonly empty: unknown;
}

/** The files beside `version.yaml` and the databases, as the stock command line lays them out. */
export const OBJECT_FILES: readonly ObjectFile[] = [
  { file: 'actions.yaml', key: null, empty: { actions: [], custom_types: emptyTypes() } },
  { file: 'remote_schemas.yaml', key: 'remote_schemas', empty: [] },
  { file: 'query_collections.yaml', key: 'query_collections', empty: [] },
  { file: 'allow_list.yaml', key: 'allowlist', empty: [] },
  { file: 'cron_triggers.yaml', key: 'cron_triggers', empty: [] },
  { file: 'network.yaml', key: 'network', empty: {} },
  { file: 'api_limits.yaml', key: 'api_limits', empty: {} },
  { file: 'rest_endpoints.yaml', key: 'rest_endpoints', empty: [] },
  { file: 'inherited_roles.yaml', key: 'inherited_roles', empty: [] },
  {
    file: 'graphql_schema_introspection.yaml',
    key: 'graphql_schema_introspection',
    empty: { disabled_for_roles: [] },
  },
  { file: 'backend_configs.yaml', key: 'backend_configs', empty: {} },
  { file: 'opentelemetry.yaml', key: 'opentelemetry', empty: {} },
  { file: 'metrics_config.yaml', key: 'metrics_config', empty: {} },
];

function emptyTypes(): object {
  return { enums: [], input_objects: [], objects: [], scalars: [] };
}

/** Keys of the document that `actions.yaml` holds. */
const ACTION_KEYS: readonly string[] = ['actions', 'custom_types'];

/** The directory of a document: path to text, in the stock command line's layout. */
export function directoryFiles(metadata: Metadata): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  files.set('version.yaml', yaml({ version: metadata.version }));
  for (const { file, key, empty } of OBJECT_FILES) {
    files.set(
      file,
      yaml(key === null ? { ...(empty as object), ...actionsOf(metadata) } : (metadata[key] ?? empty)),
    );
  }
  const folders = new Names();
  const databases = metadata.sources.map((source) => {
    const folder = folders.take(source.name);
    const { tables, functions = [] } = source;
    addList(files, `${folder}/tables`, tables, (entry) => entry.table);
    if (functions.length > 0) addList(files, `${folder}/functions`, functions, (entry) => entry.function);
    return databaseEntry(source, folder);
  });
  files.set('databases/databases.yaml', yaml(databases));
  return files;
}

function actionsOf(metadata: Metadata): Record<string, unknown> {
  const held = ACTION_KEYS.filter((key) => metadata[key] !== undefined);
  return Object.fromEntries(held.map((key) => [key, metadata[key]]));
}

function databaseEntry(source: SourceMetadata, folder: string): Record<string, unknown> {
  const { name, kind, configuration, customization, tables: _tables, functions, ...rest } = source;
  return {
    name,
    kind,
    configuration,
    ...(customization === undefined ? {} : { customization }),
    tables: `!include ${folder}/tables/tables.yaml`,
    ...(functions === undefined ? {} : { functions: `!include ${folder}/functions/functions.yaml` }),
    ...rest,
  };
}

/** A file for each entry, and one that includes them all and is called as the folder is. */
function addList<T>(
  files: Map<string, string>,
  folder: string,
  entries: readonly T[],
  refOf: (entry: T) => TableRef,
): void {
  const list = folder.slice(folder.lastIndexOf('/') + 1);
  const names = new Names([list]);
  const includes = entries.map((entry) => {
    const { schema, name } = refOf(entry);
    const file = `${names.take(`${schema}_${name}`)}.yaml`;
    files.set(`databases/${folder}/${file}`, yaml(entry));
    return `!include ${file}`;
  });
  files.set(`databases/${folder}/${list}.yaml`, yaml(includes));
}

/** File names that stay apart also where letter case does not count, and that cannot leave their folder. */
class Names {
  readonly #taken: Set<string>;

  constructor(taken: readonly string[] = []) {
    this.#taken = new Set(taken);
  }

  take(wanted: string): string {
    const safe = wanted.replaceAll(/[^\p{L}\p{N}_.-]/gu, '_').replace(/^\./, '_');
    const short = Buffer.byteLength(safe) > 200 ? `${safe.slice(0, 60)}_${hash(wanted)}` : safe;
    let name = short;
    for (let next = 2; this.#taken.has(name.toLowerCase()); next += 1) name = `${short}_${next}`;
    this.#taken.add(name.toLowerCase());
    return name;
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Double quotes around includes are the stock layout; the rest is written plainly. */
function yaml(value: unknown): string {
  const text = stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
  return text.replaceAll(/(^|: |- )!include (.*)$/gm, '$1"!include $2"');
}
