import type { SourceName } from '../../core/names.ts';
import type { Param } from '../../plan/plan.ts';
import { keyList, keyRow } from '../place/key-rows.ts';
import { ownTables } from '../place/leaf.ts';
import { atTop, type Build, NO_GAPS, siteOf, startBuild } from '../place/scope.ts';
import { positionSql } from '../position.ts';
import { printStatement } from '../print.ts';
import { GAP_MARK, type Gap, placeOf } from '../shape/gap.ts';
import { fieldJson } from '../shape/shape.ts';
import { constant, parameter, type Sql, separated, sql } from '../sql.ts';
import type { Statement } from '../statement.ts';
import { keyType } from './key-type.ts';

/** Asks one target for the texts that fill gaps. */
export interface FillRequest {
  /** The database whose statement has the gaps: rows of others end their order with the key, as they do there. */
  readonly source: SourceName;
  readonly gaps: readonly Gap[];
  readonly params: readonly Param[];
  readonly stringifyNumbers: boolean;
}

/**
 * One row: the target's position, then for each gap the texts of all its keys in the order of the keys, joined by marks.
 * One statement, so one snapshot, however many gaps there are.
 */
export function fillStatement(request: FillRequest): Statement {
  const build = startBuild({
    leaves: ownTables,
    params: request.params,
    stringifyNumbers: request.stringifyNumbers,
    isRemote: (table) => table.source !== request.source,
    gaps: NO_GAPS,
  });
  const texts = request.gaps.map((gap) => textsOf(gap, build));
  return printStatement(sql`select ${separated([positionSql, ...texts], ', ')}`);
}

/** Nothing above the keys sorts them again, so the texts come in their order. */
function textsOf({ field, left }: Gap, build: Build): Sql {
  const { on } = field.join;
  const place = placeOf(field);
  const row = keyRow(
    left,
    on.map((pair) => pair.left),
  );
  const json = fieldJson(field, { ...siteOf(row, atTop(build)), shared: [] });
  const keys = keyList(
    on.map(
      (pair, i) => sql`${parameter({ kind: 'gap', place: place.id, column: i })}::${keyType(pair, [])}[]`,
    ),
  );
  return sql`(select string_agg(g.j, ${constant(GAP_MARK)}) from (select ${json} as j from ${keys}) g)`;
}
