import type {
  Catalog,
  Column,
  ColumnType,
  Relationship,
  RemoteOptions,
  Source,
  Table,
} from '../../src/catalog/catalog.ts';
import type { SelectPermission } from '../../src/catalog/part/select-permission.ts';
import { HASURA_DEFAULT } from '../../src/catalog/part/spelling.ts';
import type { JsonObject } from '../../src/core/json/json-text.ts';
import { type TableRef, tableKey } from '../../src/core/names.ts';
import { bareSource } from './snapshots.ts';

/** A table in a few words: columns as `integer!` (not null) or `text[]`. */
export interface TableSpec {
  readonly columns: Readonly<Record<string, string>>;
  readonly schema?: string;
  readonly customName?: string;
  /** Column name to GraphQL name. */
  readonly customColumns?: Readonly<Record<string, string>>;
  readonly primaryKey?: readonly string[];
  readonly uniqueKeys?: readonly (readonly string[])[];
  readonly relationships?: Readonly<Record<string, RelationshipSpec>>;
  readonly permissions?: Readonly<Record<string, PermissionSpec>>;
  readonly enumValues?: readonly string[];
  /** Column name to enum table. */
  readonly enums?: Readonly<Record<string, string>>;
}

/** A relationship; a `source` makes it a remote one. */
export interface RelationshipSpec {
  readonly kind: 'object' | 'array';
  readonly table: string;
  readonly on: Readonly<Record<string, string>>;
  readonly source?: string;
  /** Found by an index, unless said otherwise. */
  readonly indexed?: boolean;
  readonly options?: Partial<RemoteOptions>;
}

/** A permission; everything is allowed that is not said otherwise, aggregations aside. */
export interface PermissionSpec {
  readonly columns?: readonly string[];
  readonly filter?: JsonObject;
  readonly limit?: number;
  readonly allowAggregations?: boolean;
  readonly queryRootFields?: readonly ('select' | 'select_by_pk' | 'select_aggregate')[];
  readonly subscriptionRootFields?: readonly (
    | 'select'
    | 'select_by_pk'
    | 'select_aggregate'
    | 'select_stream'
  )[];
}

/** A source: its tables by name. */
export interface SourceSpec {
  readonly tables: Readonly<Record<string, TableSpec>>;
  readonly namespace?: string;
}

/** A catalog without a database. */
export function catalogOf(
  sources: Readonly<Record<string, SourceSpec>>,
  more: Partial<Pick<Catalog, 'inheritedRoles' | 'introspectionDisabledFor'>> = {},
): Catalog {
  const names = Object.entries(sources);
  const columns = new Map(names.map(([source, spec]) => [source, columnsOf(spec)]));
  const made = names.map(([source, spec]): [string, Source] => {
    const tables = Object.entries(spec.tables).map(([name, table]) =>
      tableOf({ source, name, spec: table, columns }),
    );
    const { namespace } = spec;
    const named =
      namespace === undefined
        ? {}
        : {
            namespace,
            namespaceType: `${namespace}_query`,
            subscriptionNamespaceType: `${namespace}_subscription`,
          };
    const byKey = new Map(tables.map((table) => [tableKey(table.ref), table]));
    return [source, bareSource(source, { ...named, tables: byKey })];
  });
  return {
    resourceVersion: 1,
    generation: 1,
    sources: new Map(made),
    inheritedRoles: new Map(),
    introspectionDisabledFor: new Set(),
    limits: null,
    entities: null,
    kept: { collections: [], endpoints: [], allowed: [] },
    inconsistent: [],
    warnings: [],
    wanted: [],
    ...more,
  };
}

/** A type by its SQL name; `[]` makes it an array. */
export function typeOf(sql: string): ColumnType {
  if (sql.endsWith('[]')) {
    const element = typeOf(sql.slice(0, -2));
    const { scalar, schema } = element;
    return { oid: 0, name: `_${element.name}`, schema, sql, kind: 'array', category: 'A', element, scalar };
  }
  const [name, scalar, category] = TYPES[sql] ?? [sql, sql, 'U'];
  return { oid: 0, name, schema: 'pg_catalog', sql, kind: 'base', category, element: null, scalar };
}

/** A relationship's options where nothing else is said. */
const DEFAULT_OPTIONS: RemoteOptions = {
  cache: true,
  maxStalenessMs: null,
  fallback: null,
  onTargetDown: 'error',
  follow: 'object',
};

const TYPES: Readonly<Record<string, readonly [string, string, string]>> = {
  smallint: ['int2', 'smallint', 'N'],
  integer: ['int4', 'Int', 'N'],
  bigint: ['int8', 'bigint', 'N'],
  numeric: ['numeric', 'numeric', 'N'],
  'double precision': ['float8', 'float8', 'N'],
  text: ['text', 'String', 'S'],
  varchar: ['varchar', 'String', 'S'],
  boolean: ['bool', 'Boolean', 'B'],
  jsonb: ['jsonb', 'jsonb', 'U'],
  json: ['json', 'json', 'U'],
  uuid: ['uuid', 'uuid', 'U'],
  timestamptz: ['timestamptz', 'timestamptz', 'D'],
  ltree: ['ltree', 'ltree', 'U'],
};

type Columns = ReadonlyMap<string, ReadonlyMap<string, readonly Column[]>>;

interface TableMaking {
  readonly source: string;
  readonly name: string;
  readonly spec: TableSpec;
  readonly columns: Columns;
}

function columnsOf(spec: SourceSpec): ReadonlyMap<string, readonly Column[]> {
  return new Map(
    Object.entries(spec.tables).map(([name, table]) => [
      name,
      Object.entries(table.columns).map(([column, type]) => columnOf(table, column, type)),
    ]),
  );
}

function columnOf(table: TableSpec, name: string, type: string): Column {
  const notNull = type.endsWith('!');
  const enumTable = table.enums?.[name];
  return {
    name,
    field: table.customColumns?.[name] ?? name,
    type: typeOf(notNull ? type.slice(0, -1) : type),
    notNull,
    generated: false,
    description: null,
    enumTable: enumTable === undefined ? null : { schema: 'public', name: enumTable },
    upperCased: false,
  };
}

function tableOf({ source, name, spec, columns }: TableMaking): Table {
  const own = columnsNamed(columns, source, name);
  const schema = spec.schema ?? 'public';
  const typeName = spec.customName ?? (schema === 'public' ? name : `${schema}_${name}`);
  const root = (ending: string): { name: string; description: null } => ({
    name: `${typeName}${ending}`,
    description: null,
  });
  return {
    source,
    ref: { schema, name },
    spelling: HASURA_DEFAULT,
    typeName,
    derivedType: (ending) => `${typeName}${ending}`,
    stream: { ordering: 'cursor_ordering', table: typeName },
    description: null,
    root: {
      select: root(''),
      selectByPk: root('_by_pk'),
      selectAggregate: root('_aggregate'),
      selectStream: root('_stream'),
    },
    columns: own,
    columnByField: new Map(own.map((column) => [column.field, column])),
    columnByName: new Map(own.map((column) => [column.name, column])),
    primaryKey: own.filter((column) => (spec.primaryKey ?? []).includes(column.name)),
    uniqueKeys: [...(spec.primaryKey === undefined ? [] : [spec.primaryKey]), ...(spec.uniqueKeys ?? [])],
    indexes: [],
    relationships: new Map(
      Object.entries(spec.relationships ?? {}).map(([key, relationship]) => [
        key,
        relationshipOf({ source, name, spec, columns }, key, relationship),
      ]),
    ),
    computedFields: new Map(),
    permissions: new Map(
      Object.entries(spec.permissions ?? {}).map(([role, permission]) => [
        role,
        permissionOf(own, permission),
      ]),
    ),
    enumValues: spec.enumValues?.map((value) => ({ value, description: null })) ?? null,
  };
}

function relationshipOf(making: TableMaking, name: string, spec: RelationshipSpec): Relationship {
  const target = spec.source ?? making.source;
  const left = columnsNamed(making.columns, making.source, making.name);
  const right = columnsNamed(making.columns, target, spec.table);
  return {
    name,
    kind: spec.kind,
    source: target,
    table: refOf(spec.table),
    on: Object.entries(spec.on).map(([from, to]) => ({
      left: columnNamed(left, from),
      right: columnNamed(right, to),
    })),
    unique: spec.kind === 'object',
    indexed: spec.indexed ?? true,
    total: false,
    description: null,
    remote: spec.source === undefined ? null : { ...DEFAULT_OPTIONS, ...spec.options },
  };
}

function permissionOf(columns: readonly Column[], spec: PermissionSpec): SelectPermission {
  return {
    columns: new Set(spec.columns ?? columns.map(({ name }) => name)),
    computedFields: new Set(),
    filter: spec.filter ?? {},
    limit: spec.limit ?? null,
    allowAggregations: spec.allowAggregations ?? false,
    queryRootFields: spec.queryRootFields === undefined ? null : new Set(spec.queryRootFields),
    subscriptionRootFields:
      spec.subscriptionRootFields === undefined ? null : new Set(spec.subscriptionRootFields),
  };
}

function refOf(name: string): TableRef {
  return { schema: 'public', name };
}

function columnsNamed(columns: Columns, source: string, table: string): readonly Column[] {
  const found = columns.get(source)?.get(table);
  if (found === undefined) throw new Error(`the test catalog has no table ${source}.${table}`);
  return found;
}

function columnNamed(columns: readonly Column[], name: string): Column {
  const found = columns.find((column) => column.name === name);
  if (found === undefined) throw new Error(`the test catalog has no column ${name}`);
  return found;
}
