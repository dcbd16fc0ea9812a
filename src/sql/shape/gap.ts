import { baseType } from '../../catalog/conditions/operators.ts';
import type { Field, PlanTable } from '../../plan/plan.ts';
import type { RowScope } from '../place/scope.ts';
import { concatenated, constant, type Sql, sql } from '../sql.ts';

/** A member of a row's object that shows related rows. */
export type RelatedField = Extract<Field, { kind: 'object' | 'array' | 'aggregate' }>;

/** A related field whose text another database writes, and the place of the row it hangs on. */
export interface Gap {
  readonly field: RelatedField;
  readonly left: PlanTable;
}

/** Opens and closes a gap in an answer's text. JSON has no such character: strings escape it, and it is no white space. */
export const GAP_MARK = '\u0001';

/** The place of the rows that a related field shows; its id names the gap. */
export function placeOf(field: RelatedField): PlanTable {
  return field.kind === 'aggregate' ? field.aggregate.rows.from : field.select.from;
}

/**
 * Stands for the field's text: the gap's name, then the key of its rows, between two marks. A key is a whole number, or
 * JSON strings with commas between them.
 */
export function gapJson(field: RelatedField, row: RowScope): Sql {
  const { on } = field.join;
  const parts: Sql[] = [constant(`${GAP_MARK}${placeOf(field).id}`)];
  const isTotal = on.every((pair) => pair.left.notNull);
  for (const { left } of on) {
    const isPlain = on.length === 1 && WHOLE_NUMBERS.has(baseType(left.type).name);
    const text = sql`${row.read(left)}::text`;
    const key = isPlain ? text : sql`pg_catalog.to_json(${text})::text`;
    const value = field.kind === 'aggregate' && !isTotal ? sql`coalesce(${key}, ${constant('null')})` : key;
    parts.push(constant(','), value);
  }
  parts.push(constant(GAP_MARK));
  const mark = concatenated(parts);
  if (isTotal || field.kind === 'aggregate') return mark;
  return sql`coalesce(${mark}, ${constant(field.kind === 'object' ? 'null' : '[]')})`;
}

const WHOLE_NUMBERS: ReadonlySet<string> = new Set(['int2', 'int4', 'int8']);
