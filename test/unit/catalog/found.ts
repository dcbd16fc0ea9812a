import {
  type Catalog,
  type ColumnType,
  findTable,
  type Relationship,
  type Table,
} from '../../../src/catalog/catalog.ts';
import { scalarName } from '../../../src/catalog/introspect/column-type.ts';
import type {
  FoundColumn,
  FoundTable,
  Introspection,
  Unavailable,
} from '../../../src/catalog/introspection.ts';
import { NO_TYPES } from '../../../src/catalog/type/held-type.ts';
import { type TableRef, tableKey } from '../../../src/core/names.ts';
import { parseMetadata } from '../../../src/metadata/document/parse.ts';
import { resolve } from '../../support/resolve.ts';

const CATEGORIES: Readonly<Record<string, string>> = {
  int2: 'N',
  int4: 'N',
  int8: 'N',
  numeric: 'N',
  float8: 'N',
  bool: 'B',
};
const SQL: Readonly<Record<string, string>> = {
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  bool: 'boolean',
};

/** A type by its short name; `text[]` is an array, `email:text` a domain. */
export function type(name: string): ColumnType {
  const [own = '', base] = name.split(':');
  const plain = { oid: 0, schema: 'pg_catalog', category: CATEGORIES[own] ?? 'S' };
  if (base !== undefined) {
    const element = type(base);
    return { ...plain, name: own, sql: own, kind: 'domain', element, scalar: element.scalar };
  }
  if (own.endsWith('[]')) {
    const element = type(own.slice(0, -2));
    return { ...plain, name: `_${element.name}`, sql: own, kind: 'array', element, scalar: element.scalar };
  }
  return { ...plain, name: own, sql: SQL[own] ?? own, kind: 'base', element: null, scalar: scalarName(own) };
}

/** A table in short: `['id int8 pk', 'name text', 'user_id int8! -> users.id']`; `!` is not null. */
export function table(name: string, columns: readonly string[], more: Partial<FoundTable> = {}): FoundTable {
  const ref: TableRef = { schema: 'public', name };
  const primary: string[] = [];
  const uniques: string[] = [];
  const foreignKeys: FoundTable['foreignKeys'][number][] = [];
  const found = columns.map((text): FoundColumn => {
    const [column = '', typeName = '', ...rest] = text.split(' ');
    if (rest.includes('pk')) primary.push(column);
    if (rest.includes('unique')) uniques.push(column);
    const arrow = rest.indexOf('->');
    const [other, otherColumn] = (arrow < 0 ? '' : (rest[arrow + 1] ?? '')).split('.');
    if (other !== undefined && otherColumn !== undefined) {
      const references = { schema: 'public', name: other };
      const key = {
        name: `${name}_${column}_fkey`,
        columns: [column],
        references,
        referencedColumns: [otherColumn],
      };
      foreignKeys.push({ ...key, validated: true });
    }
    return {
      name: column,
      type: type(typeName.replace('!', '')),
      notNull: typeName.endsWith('!') || rest.includes('pk'),
      generated: rest.includes('generated'),
      comment: null,
    };
  });
  const keys = [
    ...(primary.length === 0 ? [] : [{ columns: primary, primary: true, replicaIdentity: false }]),
    ...uniques.map((column) => ({ columns: [column], primary: false, replicaIdentity: false })),
  ];
  return {
    ref,
    kind: 'table',
    comment: null,
    columns: found,
    keys,
    indexes: keys.map((key) => key.columns),
    foreignKeys,
    replicaIdentity: 'd',
    logged: true,
    publishable: true,
    ...more,
  };
}

/** A database holding these tables, able to replicate unless said otherwise. */
export function database(
  tables: readonly FoundTable[],
  server: Partial<Introspection['server']> = {},
  enumValues: Introspection['enumValues'] = new Map(),
): Introspection {
  return {
    server: {
      systemId: '1',
      database: 'db',
      version: 180_000,
      locale: 'c c',
      walLevel: 'logical',
      inRecovery: false,
      mayReplicate: true,
      mayPublish: true,
      mayCache: true,
      ...server,
    },
    tables: new Map(tables.map((found) => [tableKey(found.ref), found])),
    functions: new Map(),
    queries: { queryTypes: new Map(), statements: new Map() },
    types: NO_TYPES,
    enumValues,
    fingerprint: 'f',
  };
}

/** A source of the metadata with its tables. */
export function source(name: string, tables: readonly object[], more: object = {}): object {
  const configuration = { connection_info: { database_url: `postgresql://${name}` } };
  return { name, kind: 'postgres', tables, configuration, ...more };
}

/** A `to_source` relationship entry. */
export function remote(
  name: string,
  to: {
    source: string;
    table: string;
    mapping: Record<string, string>;
    type?: 'object' | 'array';
    nearjoin?: object;
  },
): object {
  const { mapping, type: kind = 'object', nearjoin } = to;
  const options = nearjoin === undefined ? {} : { nearjoin };
  return {
    name,
    definition: {
      to_source: {
        relationship_type: kind,
        source: to.source,
        table: to.table,
        field_mapping: mapping,
        ...options,
      },
    },
  };
}

/** Resolves metadata written as JSON. */
export function catalogOf(
  sources: readonly object[],
  found: Readonly<Record<string, Introspection | Unavailable>>,
  more: object = {},
): Catalog {
  const metadata = parseMetadata({ version: 3, sources, ...more });
  return resolve(metadata, new Map(Object.entries(found)), { resourceVersion: 7, generation: 3 });
}

/** A tracked table that must be there. */
export function tableOf(catalog: Catalog, sourceName: string, name: string, schema = 'public'): Table {
  const hit = findTable(catalog, sourceName, { schema, name });
  if (hit === undefined) throw new Error(`no table ${name}: ${JSON.stringify(catalog.inconsistent)}`);
  return hit;
}

/** A relationship that must be there. */
export function relationshipOf(from: Table, name: string, catalog?: Catalog): Relationship {
  const hit = from.relationships.get(name);
  if (hit === undefined) throw new Error(`no relationship ${name}: ${JSON.stringify(catalog?.inconsistent)}`);
  return hit;
}
