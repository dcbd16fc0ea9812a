import type { Column } from '../../catalog/catalog.ts';
import { enumerationOf } from '../argument/enumeration.ts';
import { planOperand } from '../argument/operand.ts';
import { type CollectedField, checkArguments } from '../operation/collect.ts';
import type { Predicate, Select } from '../plan.ts';
import type { Planning, Rows } from '../planning.ts';
import { and, compare } from '../predicates.ts';
import { missingField } from '../problem.ts';
import { guarded } from '../rule/permit.ts';
import { permittedSelect } from '../select/rows.ts';
import { planFields } from '../select/select.ts';
import { literal } from '../value/input.ts';

/** A `_by_pk` field: the row with the given key, if the role may see it. */
export function planByPk(planning: Planning, rows: Rows, field: CollectedField): Select {
  const key = rows.view.table.primaryKey;
  checkArguments(
    field,
    key.map((column) => column.field),
  );
  const selected = permittedSelect(planning, rows);
  const conditions = key.map((column) => equals(planning, rows, field, column));
  const fields = planFields(planning, rows, field.sets, field.at);
  return { ...selected, where: and([selected.where, ...conditions]), fields };
}

function equals(planning: Planning, rows: Rows, field: CollectedField, column: Column): Predicate {
  const path = `${field.at.path}.args.${column.field}`;
  const node = field.arguments.get(column.field);
  if (node === undefined) throw missingField(path, column.field);
  const enumeration = enumerationOf(planning.catalog, rows.view.table, column);
  const type = { type: column.type, list: false, pattern: null, enumeration };
  const value = planOperand(planning, literal(node), type, {
    path,
    depth: field.at.depth + 1,
    required: true,
  });
  return guarded(planning, { ...rows, column }, compare(column, 'eq', value), false);
}
