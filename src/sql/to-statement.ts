import { unreachable } from '../core/assert.ts';
import type { SourceName } from '../core/names.ts';
import type { Param, RootField } from '../plan/plan.ts';
import { membersJson } from './json-parts.ts';
import type { Leaves } from './leaf.ts';
import { printStatement } from './print.ts';
import { type Build, startBuild } from './scope.ts';
import { aggregatedJson, listJson, oneJson } from './shape.ts';
import { constant, type Sql, separated, sql } from './sql.ts';
import type { Statement } from './statement.ts';

/** One statement over the tables of one source database. */
export interface StatementRequest {
  readonly source: SourceName;
  /** Root fields of this source; constants among them are written along. */
  readonly roots: readonly RootField[];
  /** The whole answer, `{"data":…}`, in the first column, or one column with the JSON of each root. */
  readonly result: 'answer' | 'columns';
  readonly params: readonly Param[];
  readonly leaves: Leaves;
  /** Places whose rows another database writes. */
  readonly gaps: ReadonlySet<number>;
  readonly stringifyNumbers: boolean;
  /** Feeds whose watermark the rows must be labelled with. */
  readonly watermarks: readonly SourceName[];
}

/**
 * Builds the statement that answers root fields. Its one row holds the JSON; then, when watermarks are asked for, the
 * source's clock in seconds and for each feed `<position> <fresh_as_of>`, all of one snapshot.
 */
export function toStatement(request: StatementRequest): Statement {
  const build = startBuild({
    leaves: request.leaves,
    params: request.params,
    stringifyNumbers: request.stringifyNumbers,
    isRemote: (table) => table.source !== request.source,
    gaps: request.gaps,
  });
  const values = request.roots.map((root) => ({ key: root.key, value: rootJson(root, build) }));
  const results =
    request.result === 'answer'
      ? [membersJson([{ key: 'data', value: membersJson(values) }])]
      : values.map(({ value }) => value);
  const labels = request.watermarks.length === 0 ? [] : [clockSql, ...request.watermarks.map(watermarkSql)];
  return printStatement(sql`select ${separated([...results, ...labels], ', ')}`);
}

/** Seconds, exact to the microsecond; read after the snapshot was taken, so that no answer looks younger than it is. */
const clockSql: Sql = sql`date_part('epoch', clock_timestamp())::text`;

function watermarkSql(target: SourceName): Sql {
  const missing = constant('-');
  return sql`(select coalesce(w.position::text, ${missing}) || ' ' || coalesce(w.fresh_as_of::text, ${missing}) from nearjoin.watermark w where w.target = ${constant(target)} order by w.seq desc limit 1)`;
}

function rootJson(root: RootField, build: Build): Sql {
  const none = new Map();
  switch (root.kind) {
    case 'constant':
      return constant(root.json);
    case 'list':
      return listJson(root.select, null, none, build);
    case 'one':
      return oneJson(root.select, null, none, build);
    case 'aggregate':
      return aggregatedJson(root.aggregate, null, none, build);
    case 'object':
      return membersJson(root.fields.map((field) => ({ key: field.key, value: rootJson(field, build) })));
    case 'introspection':
      throw new Error('bug: introspection reached the database');
    default:
      return unreachable(root);
  }
}
