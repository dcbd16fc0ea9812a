import pg from 'pg';
import type { SourceName, TableRef } from '../../core/names.ts';
import { formatLsn, isLsnText, type Lsn, parseLsn } from '../../core/position/lsn.ts';
import type { PartsOf } from '../../core/rows/key-part.ts';
import type { CountedCursor } from '../../core/rows/piece-cursor.ts';
import type { TableShape } from '../../core/rows/table-shape.ts';
import { keptStatement, type Queryable, rowOf, rowsOf } from '../queryable.ts';
import type { TableState } from '../status/cache-table.ts';
import { tableState } from '../status/status.ts';
import { told, toldSql } from '../told.ts';

/** One cached column: its name on the target, its type here, and what it was on the target when copied. */
export interface StoredColumn {
  readonly name: string;
  readonly type: string;
  /** The target's type. */
  readonly oid: number;
}

/** One generation of a table's copy. */
export interface Generation {
  readonly target: SourceName;
  readonly table: TableRef;
  readonly relation: string;
  readonly columns: readonly StoredColumn[];
  readonly key: readonly string[];
  /** What the table was on the target when its copy was begun; null when there is none. */
  readonly shape: TableShape | null;
  /** Parts of it that are read again, while it is not read by anybody; null when it is made as a whole. */
  readonly parts: PartsOf | null;
  /** Whether the physical table is there with all its columns. */
  readonly exists: boolean;
  /** The columns' type modifiers here, aligned with `columns`; -1 is none, or not known before the table is there. */
  readonly modifiers: readonly number[];
}

/** All that the source database knows of one cached table: its newest generation, and the one before if that still serves. */
export interface StoredTable extends Generation {
  readonly state: TableState;
  /** Was ready when the target's table got more columns; fed and read until the newest generation is ready, then dropped. */
  readonly serving: Generation | null;
  /** The position of the newest snapshot the copy was read from; null before anything was. */
  readonly copiedAt: Lsn | null;
  /** How far a copy made piece by piece is; null before its first piece. */
  readonly cursor: CountedCursor | null;
  readonly overlay: string | null;
  readonly rowsEstimated: number | null;
  readonly generation: number;
  /** A fresh copy was asked for. */
  readonly resync: boolean;
  /** Column lists of the physical table's valid indexes. */
  readonly indexes: readonly (readonly string[])[];
}

/** Whether a physical table has all its columns. */
const hasAll = (table: string, columns: string): string => `
  (select count(*) from pg_attribute a
    where a.attrelid = ${table}.oid and a.attnum > 0 and not a.attisdropped
      and a.attname in (select k ->> 'name' from jsonb_array_elements(${columns}) k)
  ) = jsonb_array_length(${columns}) and ${table}.oid is not null`;

const modifiersOf = (table: string): string => `
  coalesce((select json_object_agg(a.attname, a.atttypmod) from pg_attribute a
    where a.attrelid = ${table}.oid and a.attnum > 0 and not a.attisdropped), '{}')`;

const STORED = `
  select t.schema_name, t.table_name, t.relation, t.columns, t.key_columns, t.state, t.reason, t.copied_at,
    t.piece_cursor, t.overlay, t.rows_estimated::float8 as rows_estimated, t.shape, t.generation, t.resync, t.serving,
    ${hasAll('c', 't.columns')} as exists,
    ${modifiersOf('c')} as modifiers,
    t.serving is not null and ${hasAll('s', `(t.serving -> 'columns')`)} as serving_exists,
    ${modifiersOf('s')} as serving_modifiers,
    coalesce((select json_agg((select json_agg(a.attname order by k.place)
        from unnest(i.indkey) with ordinality k (attnum, place)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum))
      from pg_index i where i.indrelid = c.oid and i.indisvalid), '[]') as indexes
  from nearjoin.cache_table t
  left join pg_class c on c.relname = t.relation and c.relnamespace = 'nearjoin'::regnamespace
  left join pg_class s on s.relname = t.serving ->> 'relation' and s.relnamespace = 'nearjoin'::regnamespace
  where t.target = $1`;

const DAMAGED = keptStatement(`
  select exists (
    select from nearjoin.cache_table t
    left join pg_class c on c.relnamespace = 'nearjoin'::regnamespace
      and c.relname = case when t.state = 'ready' then t.relation else t.serving ->> 'relation' end
    cross join lateral (select case when t.state = 'ready' then t.columns else t.serving -> 'columns' end as columns) r
    where t.target = $1 and (t.state = 'ready' or t.serving is not null) and not (${hasAll('c', 'r.columns')})
  ) as damaged`);

/** Whether a table that readers use is gone or lacks a column: somebody dropped it by hand. Asked every second. */
export async function isDamaged(client: Queryable, target: SourceName): Promise<boolean> {
  return (await rowOf<{ damaged: boolean }>(client, DAMAGED, [target])).damaged;
}

/** The generation that serves while a newer one is copied, as it is kept. */
export type StoredServing = Pick<Generation, 'relation' | 'columns' | 'key' | 'shape'>;

interface StoredRow {
  readonly schema_name: string;
  readonly table_name: string;
  readonly relation: string;
  readonly columns: readonly StoredColumn[];
  readonly key_columns: readonly string[];
  readonly state: string;
  readonly reason: string | null;
  readonly copied_at: string | null;
  readonly piece_cursor: CountedCursor | { readonly parts: PartsOf } | null;
  readonly overlay: string | null;
  readonly rows_estimated: number | null;
  readonly shape: TableShape | null;
  readonly generation: number;
  readonly resync: boolean;
  readonly exists: boolean;
  readonly modifiers: Readonly<Record<string, number>>;
  readonly serving: StoredServing | null;
  readonly serving_exists: boolean;
  readonly serving_modifiers: Readonly<Record<string, number>>;
  readonly indexes: readonly (readonly string[] | null)[];
}

/** Reads every table a feed has in the source database, with what is physically there. */
export async function loadStoredTables(
  client: Queryable,
  target: SourceName,
): Promise<readonly StoredTable[]> {
  const rows = await rowsOf<StoredRow>(client, `${STORED} order by t.schema_name, t.table_name`, [target]);
  return rows.map((row) => storedTable(target, row));
}

/** Reads one of them, which is there; the statement is planned once in a session: that costs more than to run it. */
export async function loadStoredTable(
  client: Queryable,
  { target, table }: Pick<StoredTable, 'target' | 'table'>,
): Promise<StoredTable> {
  const text = `${STORED} and t.schema_name = $2 and t.table_name = $3`;
  const one = { name: 'nearjoin_stored_table', text };
  return storedTable(target, await rowOf<StoredRow>(client, one, [target, table.schema, table.name]));
}

function storedTable(target: SourceName, row: StoredRow): StoredTable {
  const table = { schema: row.schema_name, name: row.table_name };
  return {
    target,
    table,
    relation: row.relation,
    columns: row.columns,
    key: row.key_columns,
    state: tableState(row.state, row.reason),
    copiedAt: row.copied_at !== null && isLsnText(row.copied_at) ? parseLsn(row.copied_at) : null,
    ...progressOf(row.piece_cursor),
    overlay: row.overlay,
    rowsEstimated: row.rows_estimated,
    shape: row.shape,
    generation: row.generation,
    resync: row.resync,
    exists: row.exists,
    modifiers: row.columns.map(({ name }) => row.modifiers[name] ?? -1),
    indexes: row.indexes.flatMap((columns) => (columns === null ? [] : [columns])),
    serving: row.serving === null ? null : servingOf({ target, table }, row.serving, row),
  };
}

function progressOf(kept: StoredRow['piece_cursor']): Pick<StoredTable, 'cursor' | 'parts'> {
  const isOfParts = kept !== null && 'parts' in kept;
  return isOfParts ? { cursor: null, parts: kept.parts } : { cursor: kept, parts: null };
}

function servingOf(
  owner: Pick<Generation, 'target' | 'table'>,
  serving: StoredServing,
  row: Pick<StoredRow, 'serving_exists' | 'serving_modifiers'>,
): Generation {
  const modifiers = serving.columns.map(({ name }) => row.serving_modifiers[name] ?? -1);
  return { ...owner, ...serving, parts: null, exists: row.serving_exists, modifiers };
}

/**
 * Writes the row that describes a table's newest generation. A row that is there keeps its shape: that was noted when the table
 * was last looked at, perhaps while the copy waited for its turn, and the rows are read later.
 */
export async function saveStoredTable(
  client: Queryable,
  table: Pick<
    StoredTable,
    'target' | 'table' | 'relation' | 'columns' | 'key' | 'overlay' | 'rowsEstimated' | 'shape' | 'generation'
  >,
  state: TableState,
): Promise<void> {
  await client.query(
    `insert into nearjoin.cache_table as t (target, schema_name, table_name, relation, columns, key_columns, overlay,
       rows_estimated, generation, state, reason, shape)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, ${toldSql('$11')}, $12)
     on conflict (target, schema_name, table_name) do update set relation = excluded.relation,
       columns = excluded.columns, key_columns = excluded.key_columns, overlay = excluded.overlay,
       rows_estimated = excluded.rows_estimated, generation = excluded.generation, state = excluded.state,
       reason = excluded.reason, copied_at = null, overlay_truncated = false, rows_copied = 0, resync = false,
       piece_cursor = null`,
    [
      table.target,
      table.table.schema,
      table.table.name,
      table.relation,
      JSON.stringify(table.columns),
      JSON.stringify(table.key),
      table.overlay,
      table.rowsEstimated,
      table.generation,
      state.kind,
      told(state.kind === 'failed' ? state.reason : null),
      table.shape === null ? null : JSON.stringify(table.shape),
    ],
  );
}

/** Fields of a stored table; the names are columns of nearjoin.cache_table. */
export type StoredFields = Readonly<Record<string, string | number | boolean | null>>;

/** Changes some fields of a stored table. */
export async function updateStoredTable(
  client: Queryable,
  table: Pick<Generation, 'target' | 'table'>,
  fields: StoredFields,
): Promise<void> {
  await client.query(updateSql(table, fields));
}

/** The same as a statement without parameters, to be sent with others. */
export function updateSql(
  { target, table }: Pick<Generation, 'target' | 'table'>,
  fields: StoredFields,
): string {
  const sets = Object.entries(fields).map(([name, value]) => {
    if (typeof value !== 'string') return `${name} = ${value}`;
    return `${name} = ${name === 'reason' ? toldSql(literal(told(value))) : literal(value)}`;
  });
  return `update nearjoin.cache_table set ${sets.join(', ')} where target = ${literal(target)}
    and schema_name = ${literal(table.schema)} and table_name = ${literal(table.name)}`;
}

function literal(value: string | null): string {
  return value === null ? 'null' : pg.escapeLiteral(value);
}

/** Adds a piece to what was copied of a table; says whether the target's table was truncated since the copy began. */
export function savePiece(
  client: Queryable,
  { target, table }: Pick<StoredTable, 'target' | 'table'>,
  { cursor, at }: { readonly cursor: CountedCursor; readonly at: Lsn },
): Promise<{ readonly truncated: boolean }> {
  return rowOf(
    client,
    `update nearjoin.cache_table set piece_cursor = $4, rows_copied = $5, copied_at = $6, reason = null
     where target = $1 and schema_name = $2 and table_name = $3 returning overlay_truncated as truncated`,
    [target, table.schema, table.name, JSON.stringify(cursor), cursor.rows, formatLsn(at)],
  );
}

/** Whether the target's table was truncated while it was copied: then the overlay alone is the table. */
export async function isTruncated(
  client: Queryable,
  { target, table }: Pick<StoredTable, 'target' | 'table'>,
): Promise<boolean> {
  const { truncated } = await rowOf<{ truncated: boolean }>(
    client,
    `select overlay_truncated as truncated from nearjoin.cache_table
     where target = $1 and schema_name = $2 and table_name = $3`,
    [target, table.schema, table.name],
  );
  return truncated;
}

/** Forgets a table that is no longer wanted. */
export async function deleteStoredTable(
  client: Queryable,
  target: SourceName,
  table: TableRef,
): Promise<void> {
  await client.query(
    'delete from nearjoin.cache_table where target = $1 and schema_name = $2 and table_name = $3',
    [target, table.schema, table.name],
  );
}

/** Forgets all tables of a feed. */
export async function deleteStoredTables(client: Queryable, target: SourceName): Promise<void> {
  await client.query('delete from nearjoin.cache_table where target = $1', [target]);
}
