import type { Column, JoinPair } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { must } from '../../core/assert.ts';
import type { SourceName } from '../../core/names.ts';
import type { Join, Param, Predicate, Select } from '../../plan/plan.ts';
import { checkedOperands } from '../condition/operand-checks.ts';
import { joinedTo, predicateSql } from '../condition/predicate.ts';
import type { LeafColumn, Leaves } from '../place/leaf.ts';
import { type Around, atTop, NO_GAPS, type Site, startBuild } from '../place/scope.ts';
import { printStatement } from '../print.ts';
import { liftedRows } from '../rows/rows.ts';
import { allOf, type Sql, separated, sql, syntax } from '../sql.ts';
import type { Statement } from '../statement.ts';
import { capitalKey, isFolded, smallKey } from './folded-keys.ts';
import { isComparedAsText } from './key-type.ts';

/** One step from a root field, or from fetched rows, down to the rows whose keys are wanted. */
export interface ChainLevel {
  readonly rows: Select;
  /** How it is joined to the level before; null for the first. */
  readonly join: Join | null;
}

/** Asks the source database for the keys that rows of a remote table will be looked up by. */
export interface KeysRequest {
  readonly source: SourceName;
  readonly chain: readonly ChainLevel[];
  /** The left columns are those of the last level. */
  readonly on: readonly JoinPair[];
  /** Conditions on the last level's rows, whose results come as booleans behind the keys. */
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
 * literal per key column, per mark, and per folded key column in capitals. Without any key one row still says how many rows
 * were looked at.
 */
export function keysStatement(request: KeysRequest): Statement {
  const build = startBuild({
    leaves: request.leaves,
    params: request.params,
    stringifyNumbers: false,
    isRemote: (table) => table.source !== request.source,
    gaps: NO_GAPS,
  });
  const found = chainSql(request, 0, atTop(build));
  const names = found.keys.map((_, i) => syntax(`k${i}`));
  const list = found.keys.map((key, i) => sql`${key} as ${syntax(`k${i}`)}`);
  const cut = request.rowLimit === null ? syntax('') : syntax(` limit ${Math.trunc(request.rowLimit)}`);
  const present = allOf(names.map((name) => sql`${name} is not null`));
  const arrays = names.map(
    (name, i) => sql`pg_catalog.array_agg(${name}${travelCast(request.on[i]?.left)})::text`,
  );
  const all = separated(names, ', ');
  return printStatement(
    sql`with r as materialized (select ${separated(list, ', ')} from ${found.from}${checkedOperands(request.params)}${cut}) select pg_catalog.count(c.chunk)::text, (select count(*) from r)::text, ${separated(arrays, ', ')} from (select ${all}, (row_number() over () - 1) / ${syntax(String(request.chunk))} as chunk from (select distinct ${all} from r where ${present} limit ${syntax(String(request.limit + 1))}) d) c right join (select) one on true group by c.chunk`,
  );
}

/** Values of a type that only this database knows travel as text, and so do arrays. */
function travelCast(column: Column | undefined): Sql {
  if (column === undefined) return syntax('');
  const { schema, kind } = baseType(column.type);
  return schema !== 'pg_catalog' || kind === 'array' ? syntax('::text') : syntax('');
}

interface Chain {
  readonly from: Sql;
  readonly keys: readonly Sql[];
}

function chainSql(request: KeysRequest, at: number, around: Around): Chain {
  const { rows } = must(request.chain[at], 'level of a chain');
  const { alias, site, inner } = liftedRows(rows, around);
  const next = request.chain[at + 1];
  if (next === undefined) {
    const keys = keysOf(request, site);
    return { from: sql`(${inner()}) ${syntax(alias)}`, keys };
  }
  const inside = next.join === null ? { ...site, link: null } : joinedTo(site, next.join);
  const below = chainSql(request, at + 1, inside);
  return {
    from: sql`(${inner()}) ${syntax(alias)} cross join lateral ${below.from}`,
    keys: below.keys,
  };
}

function keysOf({ on, marks, held }: KeysRequest, site: Site): readonly Sql[] {
  const { row } = site;
  const keys = on.map((pair) => {
    const key = row.read(pair.left);
    if (isFolded(pair)) return smallKey(key);
    if (pair.left.loose === true) return sql`${key} collate "C"`;
    return isComparedAsText(pair, held) ? sql`${key}::text` : key;
  });
  const marked = marks.map((mark) => sql`coalesce(${predicateSql(mark, site)}, false)`);
  const capitals = on.filter(isFolded).map(({ left }) => capitalKey(row.read(left)));
  return [...keys, ...marked, ...capitals];
}
