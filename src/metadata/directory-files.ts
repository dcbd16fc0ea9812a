import { createHash } from 'node:crypto';
import { stringify } from 'yaml';
import type { Metadata, SourceMetadata, TableMetadata } from './model.ts';

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
    addTables(files, folder, source.tables);
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
  const { name, kind, configuration, customization, tables: _tables, ...rest } = source;
  return {
    name,
    kind,
    configuration,
    ...(customization === undefined ? {} : { customization }),
    tables: `!include ${folder}/tables/tables.yaml`,
    ...rest,
  };
}

function addTables(files: Map<string, string>, folder: string, tables: readonly TableMetadata[]): void {
  const names = new Names();
  const includes = tables.map((table) => {
    const file = `${names.take(`${table.table.schema}_${table.table.name}`)}.yaml`;
    files.set(`databases/${folder}/tables/${file}`, yaml(table));
    return `!include ${file}`;
  });
  files.set(`databases/${folder}/tables/tables.yaml`, yaml(includes));
}

/** File names that stay apart also where letter case does not count, and that cannot leave their folder. */
class Names {
  readonly #taken = new Set<string>(['tables']);

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
