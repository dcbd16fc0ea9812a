import { createHash } from 'node:crypto';
import { Document, visit } from 'yaml';
import type { TableRef } from '../../core/names.ts';
import { inKeyOrder, keys } from '../document/key-order.ts';
import type { Metadata, SourceMetadata } from '../model.ts';
import { type ActionParts, actionFiles, NO_TYPES } from './action-files.ts';

/** One file of the directory: the section of the document it holds. */
interface ObjectFile {
  readonly file: string;
  readonly key: string;
  /** What the stock command line writes when there is nothing. */
  readonly empty: unknown;
}

/** The files beside `version.yaml`, the actions and the databases, as the stock command line lays them out. */
export const OBJECT_FILES: readonly ObjectFile[] = [
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

/** Of a source's entry, in which the stock command line has an order of its own. */
const ENTRY_ORDER = keys(
  'name',
  'kind',
  'configuration',
  'query_tags',
  'customization',
  'health_check',
  'logical_models',
  'native_queries',
  'stored_procedures',
  'tables',
  'functions',
);

/** The directory of a document: path to text, in the stock command line's layout. */
export function directoryFiles(metadata: Metadata): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  files.set('version.yaml', yaml({ version: metadata.version }));
  const actions = actionFiles(actionsOf(metadata));
  files.set('actions.graphql', actions.graphql);
  files.set('actions.yaml', yaml(actions.content));
  for (const { file, key, empty } of OBJECT_FILES) files.set(file, yaml(metadata[key] ?? empty));
  const folders = new Names();
  const databases = metadata.sources.map((source) => {
    const folder = folders.take(source.name);
    const { tables, functions = [] } = source;
    addList(files, `${folder}/tables`, tables, (entry) => entry.table);
    if (functions.length > 0) addList(files, `${folder}/functions`, functions, (entry) => entry.function);
    return databaseEntry(source, folder);
  });
  const others = (metadata.other_sources ?? []).map((source) => inKeyOrder(source, ENTRY_ORDER));
  files.set('databases/databases.yaml', yaml([...databases, ...others]));
  return files;
}

function actionsOf(metadata: Metadata): ActionParts {
  return { actions: metadata['actions'] ?? [], custom_types: metadata['custom_types'] ?? NO_TYPES };
}

function databaseEntry(source: SourceMetadata, folder: string): Record<string, unknown> {
  const { tables: _tables, functions, ...rest } = source;
  const entry = {
    ...rest,
    tables: `!include ${folder}/tables/tables.yaml`,
    ...(functions === undefined ? {} : { functions: `!include ${folder}/functions/functions.yaml` }),
  };
  return inKeyOrder(entry, ENTRY_ORDER);
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
    const safe = wanted.replaceAll(/[^\p{L}\p{N}_. -]/gu, '_').replace(/^[. ]/, '_');
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

/** Quoted as the stock command line does it: twice what another reader may take for no text, and the includes. */
function yaml(value: unknown): string {
  const document = new Document(value, { compat: 'yaml-1.1', aliasDuplicateObjects: false });
  const { tags, compat } = document.schema;
  const others = [...tags, ...(compat ?? [])].filter(({ tag }) => tag !== 'tag:yaml.org,2002:str');
  visit(document, {
    Scalar: (_key, node) => {
      if (typeof node.value !== 'string') return;
      const text = node.value;
      const isRead = others.some(
        (tag) => 'test' in tag && tag.default === true && tag.test?.test(text) === true,
      );
      // Of a block of blanks alone its readers see only the line breaks.
      if (isRead || text.startsWith('!include ') || text.trim() === '') node.type = 'QUOTE_DOUBLE';
    },
  });
  return document.toString({ lineWidth: 0, singleQuote: true });
}
