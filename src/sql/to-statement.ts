import type { KnownTypes } from '../catalog/catalog.ts';
import { unreachable } from '../core/assert.ts';
import type { SourceName } from '../core/names.ts';
import type { Param, RootField } from '../plan/plan.ts';
import { streamIn } from '../plan/root/stream-in.ts';
import { checkedOperands, isListOfArrays, readHere } from './condition/operand-checks.ts';
import type { Leaves } from './place/leaf.ts';
import { atTop, type Build, startBuild } from './place/scope.ts';
import { Printer, printTogether } from './print.ts';
import { entitiesJson } from './shape/entities.ts';
import { membersJson } from './shape/json-parts.ts';
import { aggregateJson, batchOf, listJson, listOf, oneJson } from './shape/shape.ts';
import { concatenated, constant, type Sql, separated, sql, syntax } from './sql.ts';
import type { RootStatement, StatementParameter } from './statement.ts';
import { togetherWith } from './together.ts';

/** One statement over the tables of one source database. */
export interface StatementRequest {
  readonly source: SourceName;
  /** Root fields of this source; constants among them are written along. */
  readonly roots: readonly RootField[];
  /** The whole answer, `{"data":…}`, in the first column, or one column with the JSON of each root. */
  readonly result: 'answer' | 'columns';
  readonly params: readonly Param[];
  /** Types that the source has. */
  readonly known: KnownTypes;
  readonly leaves: Leaves;
  /** Places whose rows another database writes. */
  readonly gaps: ReadonlySet<number>;
  readonly stringifyNumbers: boolean;
  /** Feeds whose watermark the rows must be labelled with. */
  readonly watermarks: readonly SourceName[];
}

/**
 * Builds the statement that answers root fields. Its one row, all of one snapshot, holds the JSON; then, when watermarks are
 * asked for, one text: the source's clock in seconds, and ` <position> <fresh_as_of>` for each feed; then, for a stream, its new
 * cursor as text.
 */
export function toStatement(request: StatementRequest): RootStatement {
  const build = startBuild({
    leaves: request.leaves,
    params: request.params,
    stringifyNumbers: request.stringifyNumbers,
    isRemote: (table) => table.source !== request.source,
    gaps: request.gaps,
  });
  const { values, cursor, from, checkedBy } = readRoots(request.roots, build);
  const list = separated([...cellsOf(values, request), ...cursor], ', ');
  const rows = sql`select ${list}${from}`;
  const printer = new Printer();
  const text = printer.print(rows);
  const unread = notReadBy(printer.parameters, build, request.known);
  const checks = (by: 'where' | 'having'): Sql => checkedOperands(request.params, unread, by);
  const alone = { text: `${text}${printer.print(checks(checkedBy))}`, parameters: printer.parameters };
  const each = (): string =>
    printTogether(separated(cellsOf(valuesOf(request.roots, build), request), ', '), checks('where'));
  return { ...alone, together: togetherWith(request, alone, each) };
}

/**
 * The operands that a statement itself does not read: only a target reads them, or they stand in a condition that was dropped.
 * They are read all the same, so that a malformed value is an error in every request, whatever rows there are.
 */
function notReadBy(
  parameters: readonly StatementParameter[],
  build: Build,
  known: KnownTypes,
): readonly Sql[] {
  const own = new Set(parameters.flatMap((slot) => (slot.kind === 'plan' ? [slot.index] : [])));
  if (own.size === build.params.length) return [];
  const read = new Set([...own].map((index) => valueText(build.params[index])));
  return build.params.flatMap((param, index) => {
    return own.has(index) || isListOfArrays(param) || read.has(valueText(param))
      ? []
      : readHere({ kind: 'param', index }, build, known);
  });
}

/** The same text for parameters of the same value: where places share a join, only one place's parameters are read. */
function valueText(param: Param | undefined): string {
  return JSON.stringify([param?.from, param?.list, param?.type.schema, param?.type.name]);
}

/** The JSON, and the label that says how old the cached rows in it are. */
function cellsOf(
  values: readonly RootValue[],
  { result, watermarks }: Pick<StatementRequest, 'result' | 'watermarks'>,
): readonly Sql[] {
  const results =
    result === 'answer'
      ? [membersJson([{ key: 'data', value: membersJson(values) }])]
      : values.map(({ value }) => value);
  return watermarks.length === 0 ? results : [...results, labelSql(watermarks)];
}

interface RootValue {
  readonly key: string;
  readonly value: Sql;
}

/** Roots as they stand in the statement's list, and what it reads them from. */
interface ReadRoots {
  readonly values: readonly RootValue[];
  /** A stream's new cursor. */
  readonly cursor: readonly Sql[];
  readonly from: Sql;
  /** See `checkedOperands`. */
  readonly checkedBy: 'where' | 'having';
}

function readRoots(roots: readonly RootField[], build: Build): ReadRoots {
  const [only, ...others] = roots;
  if (only?.kind === 'list' && others.length === 0) {
    const { json, from } = listOf(only.select, atTop(build));
    return {
      values: [{ key: only.key, value: json }],
      cursor: [],
      from: sql` from ${from}`,
      checkedBy: 'having',
    };
  }
  const values = valuesOf(roots, build);
  const stream = streamIn(roots);
  if (stream === null) return { values, cursor: [], from: syntax(''), checkedBy: 'where' };
  return { values, cursor: [BATCH.cursor], from: sql` from ${batchOf(stream, build)} b`, checkedBy: 'where' };
}

function valuesOf(roots: readonly RootField[], build: Build): readonly RootValue[] {
  return roots.map((root) => ({ key: root.key, value: rootJson(root, build) }));
}

/** What the one row of a stream's batch is read as. */
const BATCH = { json: syntax('b.json'), cursor: syntax('b.cursor') };

/**
 * The source's clock in seconds, to the microsecond. It is read after the snapshot was taken, so that no answer looks younger
 * than it is.
 */
const clockSql: Sql = sql`date_part('epoch', clock_timestamp())::text`;

function labelSql(watermarks: readonly SourceName[]): Sql {
  return concatenated([clockSql, ...watermarks.flatMap((target) => [constant(' '), watermarkSql(target)])]);
}

/**
 * The newest watermark of a target, as the first row of an index range that begins there. Asked for one target's rows alone, the
 * planner expects so few that it would read and sort the whole table, dead rows included.
 */
function watermarkSql(target: SourceName): Sql {
  const name = constant(target);
  const label = sql`coalesce(w.position::text, '-') || ' ' || coalesce(w.fresh_as_of::text, '-')`;
  return sql`coalesce((select case when w.target = ${name} then ${label} end from nearjoin.watermark w where w.target <= ${name} order by w.target desc, w.seq desc limit 1), '- -')`;
}

function rootJson(root: RootField, build: Build): Sql {
  switch (root.kind) {
    case 'constant':
      return constant(root.json);
    case 'list':
      return listJson(root.select, atTop(build));
    case 'one':
      return oneJson(root.select, atTop(build));
    case 'stream':
      return BATCH.json;
    case 'entities':
      return entitiesJson(root, build);
    case 'aggregate':
      return aggregateJson(root.aggregate, atTop(build));
    case 'object':
      return membersJson(root.fields.map((field) => ({ key: field.key, value: rootJson(field, build) })));
    case 'introspection':
      throw new Error('bug: introspection reached the database');
    default:
      return unreachable(root);
  }
}
