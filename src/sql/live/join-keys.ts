import type { Column, JoinPair } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import type { SourceName } from '../../core/names.ts';
import type { Join, Param, Predicate } from '../../plan/plan.ts';
import { checkedOperands } from '../condition/operand-checks.ts';
import { joinSql, predicateSql } from '../condition/predicate.ts';
import { type LeafColumn, type Leaves } from '../place/leaf.ts';
import {
  type Build,
  Exposure,
  NO_GAPS,
  type RowScope,
  type RowsInScope,
  startBuild,
  withRow,
} from '../place/scope.ts';
import { printStatement } from '../print.ts';
import { isCut, openRows, type RowsOf } from '../rows/rows.ts';
import { allOf, type Sql, separated, sql, syntax } from '../sql.ts';
import type { Statement } from '../statement.ts';
import { capitalKey, isFolded, smallKey } from './folded-keys.ts';
import { isComparedAsText } from './key-type.ts';

/** One step from a root field, or from fetched rows, down to the rows whose keys are wanted. */
export interface ChainLevel {
  readonly rows: RowsOf;
  /** How it hangs on the level before; null for the first. */
  readonly join: Join | null;
}

/** Asks the source database for the keys that rows of a remote table will be looked up by. */
export interface KeysRequest {
  readonly source: SourceName;
  readonly chain: readonly ChainLevel[];
  /** The left columns are those of the last level. */
  readonly on: readonly JoinPair[];
  /** Conditions on the last level's rows that are told along with the keys, as booleans behind them. */
  readonly marks: readonly Predicate[];
  /** The right's table as the source holds it. */
  readonly held: readonly LeafColumn[];
  /** Most different keys wanted; one more is returned to show that there are more. */
  readonly limit: number;
  /** Look at no more rows than this: a cheap probe, whose first cell says whether that was enough. */
  readonly rowLimit: number | null;
  readonly chunk: number;
  readonly params: readonly Param[];
  readonly leaves: Leaves;
}

/**
 * Different keys without nulls, in chunks: each row holds the number of keys, the number of rows looked at, and one array
 * literal per key column, per mark and per key in capitals where it comes in small letters. Where there is no key, one row says at how many rows was looked.
 */
export function keysStatement(request: KeysRequest): Statement {
  const build = startBuild({
    leaves: request.leaves,
    params: request.params,
    stringifyNumbers: false,
    isRemote: (table) => table.source !== request.source,
    gaps: NO_GAPS,
  });
  const found = chainSql(request, 0, { left: null, rows: new Map(), build });
  const names = found.keys.map((_, i) => syntax(`k${i}`));
  const list = found.keys.map((key, i) => sql`${key} as ${syntax(`k${i}`)}`);
  const cut = request.rowLimit === null ? syntax('') : syntax(` limit ${Math.trunc(request.rowLimit)}`);
  const present = allOf(names.map((name) => sql`${name} is not null`));
  const arrays = names.map((name, i) => sql`array_agg(${name}${travelCast(request.on[i]?.left)})::text`);
  const all = separated(names, ', ');
  return printStatement(
    sql`with r as materialized (select ${separated(list, ', ')} from ${found.from}${checkedOperands(request.params)}${cut}) select count(c.chunk)::text, (select count(*) from r)::text, ${separated(arrays, ', ')} from (select ${all}, (row_number() over () - 1) / ${syntax(String(request.chunk))} as chunk from (select distinct ${all} from r where ${present} limit ${syntax(String(request.limit + 1))}) d) c right join (select) one on true group by c.chunk`,
  );
}

/** Values of a type that only this database knows travel as text, and so do arrays. */
function travelCast(column: Column | undefined): Sql {
  if (column === undefined) return syntax('');
  const { schema, kind } = baseType(column.type);
  return schema !== 'pg_catalog' || kind === 'array' ? syntax('::text') : syntax('');
}

interface ChainSite {
  readonly left: RowScope | null;
  readonly rows: RowsInScope;
  readonly build: Build;
}

function chainSql(request: KeysRequest, at: number, site: ChainSite): { from: Sql; keys: readonly Sql[] } {
  const level = request.chain[at];
  if (level === undefined) throw new Error('bug: a chain without levels');
  const { left, rows, build } = site;
  const { join } = level;
  const link =
    join === null || left === null ? null : (right: RowScope): Sql => joinSql(join.on, left, right);
  const opened = openRows(level.rows, link, rows, build);
  const alias = build.alias();
  const exposure = new Exposure(alias, { ...build, isCut: isCut(level.rows) });
  const row = exposure.lift(opened.row);
  if (at === request.chain.length - 1) {
    const keys = request.on.map((pair) => {
      const key = row.read(pair.left);
      if (isFolded(pair)) return smallKey(key);
      if (pair.left.loose === true) return sql`${key} collate "C"`;
      return isComparedAsText(pair, request.held) ? sql`${key}::text` : key;
    });
    const marks = request.marks.map(
      (mark) => sql`coalesce(${predicateSql(mark, row, withRow(rows, row), build)}, false)`,
    );
    const capitals = request.on.filter(isFolded).map(({ left }) => capitalKey(row.read(left)));
    const own = sql`(${opened.select(exposure.list())}) ${syntax(alias)}`;
    return { from: own, keys: [...keys, ...marks, ...capitals] };
  }
  const below = chainSql(request, at + 1, { left: row, rows: withRow(rows, row), build });
  const own = sql`(${opened.select(exposure.list())}) ${syntax(alias)}`;
  return { from: sql`${own} cross join lateral ${below.from}`, keys: below.keys };
}
