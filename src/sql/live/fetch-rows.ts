import type { Column, JoinPair } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { travelType } from '../../catalog/type/travel-type.ts';
import { guardOf, isStored } from '../../plan/computed-parts.ts';
import type { OrderItem, Param, PlanTable, Predicate } from '../../plan/plan.ts';
import { checkedOperands } from '../condition/operand-checks.ts';
import { visibleValue } from '../condition/predicate.ts';
import { keyList } from '../place/key-rows.ts';
import type { LeafColumn } from '../place/leaf.ts';
import { openPlace } from '../place/open-place.ts';
import {
  type Around,
  atTop,
  type Build,
  NO_GAPS,
  type RowScope,
  type Site,
  siteOf,
  startBuild,
} from '../place/scope.ts';
import { printStatement } from '../print.ts';
import { allRows, type OpenRows, openRows } from '../rows/rows.ts';
import { allOf, identifier, parameter, type Sql, separated, sql, syntax } from '../sql.ts';
import type { Statement } from '../statement.ts';
import { bareType, operatorOf } from '../types.ts';
import { isFolded, knownSql, likeSql, takenSql } from './folded-keys.ts';
import { isComparedAsText, isSentAsText, keyType } from './key-type.ts';

/** Asks a target database for rows of one of its tables. */
export interface FetchRequest {
  readonly table: PlanTable;
  /** What to fetch, typed as the source holds it. */
  readonly columns: readonly LeafColumn[];
  /**
   * For rows of a call: the place whose rows the call is about, as the source holds it. Those are looked up, and the call is
   * made for each. Null for rows of a table.
   */
  readonly about: About | null;
  /** Look rows up by these right columns; null fetches by the filter alone. */
  readonly on: readonly JoinPair[] | null;
  /** Columns that are computed only where the key is marked: a boolean behind each key. */
  readonly marked: readonly Column[];
  /** A condition on the target's own tables only. */
  readonly where: Predicate;
  /** The first rows of each key, where the target may cut them. */
  readonly perKey: { readonly orderBy: readonly OrderItem[]; readonly limit: number } | null;
  /** Most rows wanted; one more is returned to show that there are more. */
  readonly limit: number;
  readonly params: readonly Param[];
}

/** Rows that calls are about. */
export interface About {
  readonly table: PlanTable;
  readonly columns: readonly LeafColumn[];
}

/** One row: the number of rows found, then one array literal per column. */
export function fetchStatement(request: FetchRequest): Statement {
  const { table, about, on } = request;
  const looked = (about ?? request).table;
  // Where the whole row is the key there is nothing to look up.
  const isGiven = on?.some(({ right }) => right.beside === 'row') ?? false;
  const build = startBuild({
    leaves: ({ id }) =>
      isGiven && id === looked.id ? { kind: 'given', row: syntax('k.k0') } : { kind: 'table' },
    params: request.params,
    stringifyNumbers: false,
    // Rows of a call are numbered, as remote ones are.
    isRemote: ({ id, source }) =>
      source !== table.source || ((about !== null || isStatement(request)) && id === table.id),
    gaps: NO_GAPS,
  });
  const rows = on === null ? someRows(request, atTop(build)) : byKeys(request, { on, isGiven, build });
  const arrays = request.columns.map((_, i) => sql`pg_catalog.array_agg(f.${syntax(`v${i}`)})::text`);
  return printStatement(
    sql`select ${separated([sql`count(*)::text`, ...arrays], ', ')} from (${rows} limit ${syntax(String(request.limit + 1))}) f${checkedOperands(request.params)}`,
  );
}

function isStatement({ table }: FetchRequest): boolean {
  return table.call?.statement !== undefined;
}

/** All rows, or those that a link lets through. */
function someRows(request: FetchRequest, around: Around): Sql {
  const { table, where, perKey } = request;
  const opened = openRows({ ...allRows(table, where), ...perKey }, around);
  return opened.select(valueList(request, opened));
}

interface Keyed {
  readonly on: readonly JoinPair[];
  readonly isGiven: boolean;
  readonly build: Build;
}

/** The rows of some keys. Keys are distinct, so each row is found at most once. */
function byKeys(request: FetchRequest, keyed: Keyed): Sql {
  const { on, isGiven, build } = keyed;
  const { about, marked } = request;
  const held = (about ?? request).columns;
  const types = [
    ...on.map((pair) => keyType(pair, held)),
    ...marked.map(() => syntax('bool')),
    ...on.filter(isFolded).map(() => syntax('text')),
  ];
  const keys = keyList(types.map((type, i) => sql`${parameter({ kind: 'keys', column: i })}::${type}[]`));
  const top = atTop(build);
  const link = (row: RowScope): Sql => (isGiven ? syntax('true') : linkSql(on, row, held));
  const values = separated(
    request.columns.map((_, i) => sql`l.${syntax(`v${i}`)}`),
    ', ',
  );
  if (about === null && on.some(isFolded)) return byFoldedKeys(request, keyed, keys);
  // For each key by itself a native query would run once more.
  if (isStatement(request))
    return someRows(request, {
      ...top,
      link: (row) => sql`exists (select 1 from ${keys} where ${link(row)})`,
    });
  if (about === null)
    return sql`select ${values} from ${keys} cross join lateral (${someRows(request, { ...top, link })}) l`;
  const { from, row } = openPlace(about.table, { ...top, isNumbered: () => false });
  const called = someRows(request, { ...top, rows: siteOf(row, top).rows });
  return sql`select ${values} from ${keys} join ${from} on ${link(row)} cross join lateral (${called}) l`;
}

/**
 * A row may match several keys, and is wanted once. Rows that the target itself takes for a key are found by an index. For
 * keys whose capitals the target does not know, all of its table is read and compared with whatever could be taken for them;
 * without such a key nothing is read.
 */
function byFoldedKeys(request: FetchRequest, { on, build }: Keyed, keys: Sql): Sql {
  const capitalAt = on.length + request.marked.length;
  const folded = on.filter(isFolded).map((pair, i) => ({
    pair,
    small: syntax(`k.k${on.indexOf(pair)}`),
    capital: syntax(`k.k${capitalAt + i}`),
  }));
  const unknown = sql`not (${allOf(folded.map(knownSql))})`;
  const someKey = (row: RowScope, meets: typeof takenSql, also: readonly Sql[]): Sql => {
    const met = folded.map((key) => meets(key, row.read(key.pair.right)));
    return sql`exists (select 1 from ${keys} where ${allOf([linkSql(on, row, request.columns), ...met, ...also])})`;
  };
  const taken = (row: RowScope): Sql => someKey(row, takenSql, []);
  const others = (row: RowScope): Sql => sql`${someKey(row, likeSql, [unknown])} and not ${taken(row)}`;
  const top = atTop(build);
  return sql`(${someRows(request, { ...top, link: taken })}) union all (${someRows(request, { ...top, link: others })})`;
}

/** The link to a key by all its columns but the folded ones. */
function linkSql(on: readonly JoinPair[], row: RowScope, held: readonly LeafColumn[]): Sql {
  return allOf(
    on.flatMap((pair, i) => {
      if (isFolded(pair)) return [];
      const isArray = isSentAsText(pair) && !isComparedAsText(pair, held);
      const key = sql`k.${syntax(`k${i}`)}${isArray ? sql`::${bareType(pair.right.type)}` : syntax('')}`;
      return [sql`${rightKey(pair, row, held)} ${operatorOf('=', pair.left.type, pair.right.type)} ${key}`];
    }),
  );
}

/** Text types compare with a text by themselves and keep their indexes; others must be made one. */
function rightKey(pair: JoinPair, row: RowScope, columns: readonly LeafColumn[]): Sql {
  const value = row.read(pair.right);
  if (pair.right.loose === true) return sql`${value} collate "C"`;
  const isText = baseType(pair.right.type).category === 'S';
  return isComparedAsText(pair, columns) && !isText ? sql`${value}::text` : value;
}

/** Arrays, and types that the source lacks, travel as text. */
function valueList(request: FetchRequest, opened: OpenRows): Sql {
  const { columns, identity, key } = request.table;
  return separated(
    request.columns.map((column, i) => {
      const known = [...columns, ...key, ...identity].find((candidate) => candidate.name === column.name);
      const value =
        toldValue(column.name, request, opened) ??
        (known === undefined
          ? otherColumn(opened.site.row, request.table, column.name)
          : shownValue(known, request, opened.site));
      const cast = travelType(column.type) === 'text' ? syntax('::text') : syntax('');
      return sql`${value}${cast} as ${syntax(`v${i}`)}`;
    }),
    ', ',
  );
}

/**
 * A column that says which row the row of a call belongs to, or its number there. Where the row is fetched again both came
 * with its key. Null for any other column.
 */
function toldValue(name: string, { table, about, on }: FetchRequest, { number }: OpenRows): Sql | null {
  const told = table.call?.told;
  if (told === undefined) return null;
  const pairs = about === null ? (on ?? []) : told.on;
  const at = pairs.findIndex(({ right }) => right.name === name && right.beside === 'told');
  if (at >= 0) return syntax(`k.k${at}`);
  return name === told.number.name ? (number ?? syntax('1::int8')) : null;
}

/** A column's value where the role may see it. A hidden one is not computed: it would tell of itself by failing. */
function shownValue(column: Column, request: FetchRequest, site: Site): Sql {
  const { table, on, marked } = request;
  const mark = marked.findIndex(({ name }) => name === column.name);
  if (mark < 0) return visibleValue({ column, onlyIf: guardOf(table, column) }, site);
  const shown = syntax(`k.k${(on?.length ?? 0) + mark}`);
  return sql`(case when ${shown} then ${site.row.read(column)} end)`;
}

/** A column that another place of the plan reads of the same table. */
function otherColumn(row: RowScope, table: PlanTable, name: string): Sql {
  const any = [...table.columns, ...table.key].find(isStored);
  if (any === undefined) return identifier(name);
  return row.read({ ...any, name });
}
