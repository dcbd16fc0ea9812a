import { setMaxListeners } from 'node:events';
import pg from 'pg';
import { must } from '../core/assert.ts';
import { messageOf, NearjoinError } from '../core/errors.ts';
import { keptIn } from '../core/kept-in.ts';
import { tableKey } from '../core/names.ts';
import { clientConfig } from '../core/postgres/client-config.ts';
import { settingsStatement } from '../core/postgres/session-form.ts';
import { statementResults } from '../core/postgres/statement-results.ts';
import { endClient } from '../core/waiting/end-client.ts';
import type { Asked } from './introspect/asked.ts';
import { TypeBook, type TypeRow } from './introspect/column-type.ts';
import { readEnums } from './introspect/enum-rows.ts';
import { type FunctionRow, foundFunction, functionsSql } from './introspect/found-functions.ts';
import { readQueries } from './introspect/found-queries.ts';
import {
  COLUMNS_SQL,
  FOREIGN_KEYS_SQL,
  fingerprintSql,
  INDEXES_SQL,
  KNOWN_TYPES_SQL,
  MAY_SEE_SYSTEM_SQL,
  serverSql,
  TABLES_SQL,
  typesSql,
} from './introspect/introspect-sql.ts';
import { NOTHING_ASKED } from './introspect/native-text.ts';
import type {
  FoundColumn,
  FoundForeignKey,
  FoundKey,
  FoundTable,
  Introspection,
  ServerFacts,
} from './introspection.ts';
import { type KnownTypeRow, knownTypesOf } from './type/held-type.ts';

/** What to ask a database besides its tables, and for how long. */
export interface IntrospectOptions extends Partial<Asked> {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

type TableRow = readonly [
  oid: number,
  schema: string,
  name: string,
  kind: string,
  comment: string | null,
  identity: FoundTable['replicaIdentity'],
  persistence: string,
  publishable: boolean,
];
type ColumnRow = readonly [
  table: number,
  name: string,
  type: number,
  typeSql: string,
  notNull: boolean,
  generated: boolean,
  comment: string | null,
  loose: boolean,
  locale: string | null,
];
type IndexRow = readonly [
  table: number,
  unique: boolean,
  primary: boolean,
  identity: boolean,
  columns: readonly string[],
];
type ForeignKeyRow = readonly [number, string, readonly string[], string, string, readonly string[], boolean];

const KINDS: Readonly<Record<string, FoundTable['kind']>> = {
  r: 'table',
  v: 'view',
  m: 'materialized-view',
  f: 'foreign-table',
  p: 'partitioned-table',
};
/** What role or database are given for a transaction may be too little for a large catalog. */
const OWN_LIMITS = [['transaction_timeout', '0']] as const;
const DEFAULT_TIMEOUT_MS = 15_000;
/** Commands wait for this when a host does not answer at all. */
const LONGEST_CONNECT_MS = 5_000;

/** Reads everything the catalog needs to know of a database, in one snapshot; throws when it does not answer in time. */
export async function introspect(url: string, options: IntrospectOptions = {}): Promise<Introspection> {
  const wanted = options.functions ?? [];
  return await withClient(url, options, async (client, maySeeSystem) => {
    const [server, tables, columns, indexes, foreignKeys, functions, types, known, fingerprint] =
      await answers(client, [
        serverSql(maySeeSystem),
        TABLES_SQL,
        COLUMNS_SQL,
        INDEXES_SQL,
        FOREIGN_KEYS_SQL,
        functionsSql(wanted),
        typesSql(wanted),
        KNOWN_TYPES_SQL,
        fingerprintSql(wanted, maySeeSystem),
      ]);
    const book = new TypeBook(types as readonly TypeRow[]);
    const found = assemble({
      tables: tables as readonly TableRow[],
      columns: columns as readonly ColumnRow[],
      indexes: indexes as readonly IndexRow[],
      foreignKeys: foreignKeys as readonly ForeignKeyRow[],
      types: book,
    });
    const enumValues = await readEnums(client, found, options.enumTables ?? []);
    const queries = await readQueries(client, options.queries ?? NOTHING_ASKED);
    return {
      server: server as ServerFacts,
      tables: found,
      functions: grouped(
        functions as readonly FunctionRow[],
        ([schema, name]) => tableKey({ schema, name }),
        (row) => foundFunction(row, book),
      ),
      queries,
      types: knownTypesOf(known as readonly KnownTypeRow[]),
      enumValues,
      fingerprint: String(fingerprint),
    };
  });
}

/** Only the fingerprint, equal to that of a reading of the same functions: cheap enough to ask every few seconds. */
export async function fingerprintOf(url: string, options: IntrospectOptions = {}): Promise<string> {
  return await withClient(url, options, async (client, maySeeSystem) =>
    String((await answers(client, [fingerprintSql(options.functions ?? [], maySeeSystem)]))[0]),
  );
}

/** One simple-protocol round trip for all queries. Every query answers one row with one JSON value. */
async function answers(client: pg.Client, queries: readonly string[]): Promise<readonly unknown[]> {
  const results = (await client.query(
    `${queries.join(';\n')};\nselect 1 as answer`,
  )) as unknown as readonly pg.QueryResult<{
    answer: unknown;
  }>[];
  return results.slice(0, -1).map((result) => must(result.rows[0], 'answer of a catalog query').answer);
}

async function withClient<T>(
  url: string,
  options: IntrospectOptions,
  use: (client: pg.Client, maySeeSystem: boolean) => Promise<T>,
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  options.signal?.throwIfAborted();
  const client = new pg.Client({
    ...clientConfig(url),
    application_name: 'nearjoin catalog',
    connectionTimeoutMillis: Math.min(timeoutMs, LONGEST_CONNECT_MS),
    query_timeout: timeoutMs,
  });
  client.on('error', () => undefined); // the pending query fails with the same error
  // Not `end`: after that `connect` is never answered, and who stops us while we connect would wait for ever.
  const stop = (): void => void client.connection.stream.destroy();
  if (options.signal !== undefined) setMaxListeners(0, options.signal); // any number of databases may be asked together
  options.signal?.addEventListener('abort', stop, { once: true });
  try {
    await client.connect();
    const begun = await client.query<{ allowed: boolean }>(
      `begin isolation level repeatable read read only; set local search_path = pg_catalog;
       set local statement_timeout = ${Math.ceil(timeoutMs)}; set local jit = off; set local quote_all_identifiers = off;
       ${settingsStatement(OWN_LIMITS)}; ${MAY_SEE_SYSTEM_SQL}`,
    );
    const maySeeSystem = statementResults(begun).at(-1)?.rows[0]?.allowed === true;
    const result = await use(client, maySeeSystem);
    await client.query('commit');
    return result;
  } catch (error) {
    throw new NearjoinError('source-unavailable', messageOf(error), { cause: error });
  } finally {
    options.signal?.removeEventListener('abort', stop);
    await endClient(client);
  }
}

interface Rows {
  readonly tables: readonly TableRow[];
  readonly columns: readonly ColumnRow[];
  readonly indexes: readonly IndexRow[];
  readonly foreignKeys: readonly ForeignKeyRow[];
  readonly types: TypeBook;
}

function assemble(rows: Rows): ReadonlyMap<string, FoundTable> {
  const columns = grouped(
    rows.columns,
    (row) => row[0],
    (row) => columnOf(row, rows.types),
  );
  const isUnique = (row: IndexRow): boolean => row[1];
  const keys = grouped(rows.indexes.filter(isUnique), (row) => row[0], keyOf);
  const indexes = grouped(
    rows.indexes,
    (row) => row[0],
    (row) => row[4],
  );
  const foreignKeys = grouped(rows.foreignKeys, (row) => row[0], foreignKeyOf);
  const tables = new Map<string, FoundTable>();
  for (const [oid, schema, name, kind, comment, replicaIdentity, persistence, publishable] of rows.tables) {
    const ref = { schema, name };
    tables.set(tableKey(ref), {
      ref,
      kind: must(KINDS[kind], 'kind of table'),
      comment,
      columns: columns.get(oid) ?? [],
      keys: keys.get(oid) ?? [],
      indexes: indexes.get(oid) ?? [],
      foreignKeys: foreignKeys.get(oid) ?? [],
      replicaIdentity,
      logged: persistence === 'p',
      publishable,
    });
  }
  return tables;
}

function grouped<Row, Key, T>(
  rows: readonly Row[],
  keyOfRow: (row: Row) => Key,
  make: (row: Row) => T,
): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const row of rows) keptIn(groups, keyOfRow(row), () => []).push(make(row));
  return groups;
}

function columnOf(
  [, name, typeOid, typeSql, notNull, generated, comment, loose, locale]: ColumnRow,
  types: TypeBook,
): FoundColumn {
  const type = types.type(typeOid, typeSql);
  const collation = { ...(loose ? { loose } : {}), ...(locale === null ? {} : { locale }) };
  return { name, type, notNull, generated, comment, ...collation };
}

function keyOf([, , primary, replicaIdentity, columns]: IndexRow): FoundKey {
  return { columns, primary, replicaIdentity };
}

function foreignKeyOf([
  ,
  name,
  columns,
  schema,
  table,
  referencedColumns,
  validated,
]: ForeignKeyRow): FoundForeignKey {
  return { name, columns, references: { schema, name: table }, referencedColumns, validated };
}
