import type { Column, JoinPair } from '../catalog/catalog.ts';
import type { OrderItem, Param, PlanTable, Predicate } from '../plan/plan.ts';
import { guardOf } from './computed-parts.ts';
import { isComparedAsText, isSentAsText, keyType } from './key-type.ts';
import { bareType, baseType, type Leaf, type LeafColumn, ownTables, travelType } from './leaf.ts';
import { checkedOperands } from './operand-checks.ts';
import { visibleValue } from './predicate.ts';
import { printStatement } from './print.ts';
import { type OpenRows, openRows, type RowsOf } from './rows.ts';
import { type Build, NO_GAPS, type RowScope, startBuild } from './scope.ts';
import { allOf, identifier, parameter, type Sql, separated, sql, syntax } from './sql.ts';
import type { Statement } from './statement.ts';

/** Asks a target database for rows of one of its tables. */
export interface FetchRequest {
  readonly table: PlanTable;
  /** What to fetch, typed as the source holds it. */
  readonly columns: readonly LeafColumn[];
  /** Look rows up by these right columns; null fetches by the filter alone. */
  readonly on: readonly JoinPair[] | null;
  /** What is computed only where a boolean behind the key says so. */
  readonly marked: readonly Column[];
  /** Holds of the target's own tables only. */
  readonly where: Predicate;
  /** The first rows of each key, where the target may cut them. */
  readonly perKey: { readonly orderBy: readonly OrderItem[]; readonly limit: number } | null;
  /** Most rows wanted; one more is returned to show that there are more. */
  readonly limit: number;
  readonly params: readonly Param[];
}

/** One row: the number of rows found, then one array literal per column. */
export function fetchStatement(request: FetchRequest): Statement {
  const build = startBuild({
    leaves: (table) => (isGiven(request) && table.id === request.table.id ? GIVEN : ownTables(table)),
    params: request.params,
    stringifyNumbers: false,
    isRemote: (table) => table.source !== request.table.source,
    gaps: NO_GAPS,
  });
  const rows = request.on === null ? byFilter(request, build) : byKeys(request, request.on, build);
  const arrays = request.columns.map((_, i) => sql`array_agg(f.${syntax(`v${i}`)})::text`);
  return printStatement(
    sql`select ${separated([sql`count(*)::text`, ...arrays], ', ')} from (${rows} limit ${syntax(String(request.limit + 1))}) f${checkedOperands(request.params)}`,
  );
}

/** Where the whole row is the key there is nothing to look up. */
const GIVEN: Leaf = { kind: 'given', row: syntax('k.k0') };

function isGiven({ on }: FetchRequest): boolean {
  return on?.some(({ right }) => right.whole === true) ?? false;
}

function byFilter(request: FetchRequest, build: Build): Sql {
  const opened = openRows(rowsOf(request), null, new Map(), build);
  return opened.select(valueList(request, opened, build));
}

/** Distinct keys meet each row at most once, unless the rows of a key are cut: then each key is its own look-up. */
function byKeys(request: FetchRequest, on: readonly JoinPair[], build: Build): Sql {
  const types = [
    ...on.map((pair) => keyType(pair, request.columns)),
    ...request.marked.map(() => syntax('bool')),
  ];
  const names = types.map((_, i) => syntax(`k${i}`));
  const arrays = types.map((type, i) => sql`${parameter({ kind: 'keys', column: i })}::${type}[]`);
  const keys = sql`unnest(${separated(arrays, ', ')}) as k(${separated(names, ', ')})`;
  const link = (row: RowScope): Sql =>
    allOf(
      on.map((pair, i) => {
        const isArray = isSentAsText(pair) && !isComparedAsText(pair, request.columns);
        const key = sql`k.${syntax(`k${i}`)}${isArray ? sql`::${bareType(pair.right.type)}` : syntax('')}`;
        return sql`${rightKey(pair, row, request.columns)} = ${key}`;
      }),
    );
  const opened = openRows(rowsOf(request), isGiven(request) ? null : link, new Map(), build);
  const values = request.columns.map((_, i) => sql`l.${syntax(`v${i}`)}`);
  return sql`select ${separated(values, ', ')} from ${keys} cross join lateral (${opened.select(valueList(request, opened, build))}) l`;
}

/** Text types compare with a text by themselves and keep their indexes; others must be made one. */
function rightKey(pair: JoinPair, row: RowScope, columns: readonly LeafColumn[]): Sql {
  const value = row.read(pair.right);
  if (pair.right.loose === true) return sql`${value} collate "C"`;
  const isText = baseType(pair.right.type).category === 'S';
  return isComparedAsText(pair, columns) && !isText ? sql`${value}::text` : value;
}

function rowsOf(request: FetchRequest): RowsOf {
  return {
    from: request.table,
    fields: [],
    where: request.where,
    orderBy: request.perKey?.orderBy ?? [],
    distinctOn: [],
    distinctOnlyIf: [],
    limit: request.perKey?.limit ?? null,
    offset: null,
  };
}

/** Arrays, and types that the source lacks, travel as text. */
function valueList(request: FetchRequest, opened: OpenRows, build: Build): Sql {
  const { columns, identity, key } = request.table;
  return separated(
    request.columns.map((column, i) => {
      const known = [...columns, ...key, ...identity].find((candidate) => candidate.name === column.name);
      const value =
        known === undefined
          ? otherColumn(opened.row, request.table, column.name)
          : shownValue(known, request, opened, build);
      const cast = travelType(column.type) === 'text' ? syntax('::text') : syntax('');
      return sql`${value}${cast} as ${syntax(`v${i}`)}`;
    }),
    ', ',
  );
}

/** What is computed for a cell that the role may not see would tell of it by failing. */
function shownValue(column: Column, request: FetchRequest, { row, rows }: OpenRows, build: Build): Sql {
  const { table, on, marked } = request;
  const mark = marked.findIndex(({ name }) => name === column.name);
  if (mark < 0) return visibleValue({ column, onlyIf: guardOf(table, column) }, row, rows, build);
  const shown = syntax(`k.k${(on?.length ?? 0) + mark}`);
  return sql`(case when ${shown} then ${row.read(column)} end)`;
}

/** A column that another place of the plan reads of the same table. */
function otherColumn(row: RowScope, table: PlanTable, name: string): Sql {
  const any = table.columns[0] ?? table.key[0];
  if (any === undefined) return identifier(name);
  return row.read({ ...any, name });
}
