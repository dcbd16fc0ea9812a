import type { InconsistentObject } from '../../../core/inconsistent-object.ts';
import type { TableMetadata } from '../../../metadata/model.ts';
import { givenSlots } from '../../call/function-arguments.ts';
import type { ComputedField, Table } from '../../catalog.ts';
import { comparedTypes, SCALARS } from '../conflicts.ts';
import { inconsistency, nameOf, Unresolvable } from '../problems.ts';

/** The table without the computed fields whose types are taken; the types of the others are added to `taken`. */
export function withOwnTypes(
  table: Table,
  tracked: TableMetadata,
  taken: Map<string, string>,
  problems: InconsistentObject[],
): Table {
  const lost = new Set<string>();
  for (const entry of tracked.computed_fields ?? []) {
    const field = table.computedFields.get(entry.name);
    if (field === undefined) continue;
    const subject = { kind: 'computed_field', source: table.source, table: table.ref, entry } as const;
    const problem = claim(field, table, taken, nameOf(subject));
    if (problem === null) continue;
    lost.add(field.name);
    problems.push(inconsistency(subject, new Unresolvable(problem)));
  }
  if (lost.size === 0) return table;
  const kept = [...table.computedFields].filter(([name]) => !lost.has(name));
  return { ...table, computedFields: new Map(kept) };
}

/** Claims the field's types; why it cannot have them, or null. */
function claim(field: ComputedField, table: Table, taken: Map<string, string>, owner: string): string | null {
  const given = givenSlots(field.signature);
  const own = given.length === 0 ? [] : [field.argsType];
  const scalars = [...given.map(({ type }) => type.scalar), ...returnedTypes(field, table)];
  const clash =
    own.find((name) => taken.has(name)) ?? scalars.find((name) => (taken.get(name) ?? SCALARS) !== SCALARS);
  if (clash !== undefined) return `type name "${clash}" is taken by ${taken.get(clash)}: choose another name`;
  for (const name of scalars) taken.set(name, SCALARS);
  for (const name of own) taken.set(name, owner);
  return null;
}

function returnedTypes({ returns }: ComputedField, { spelling }: Table): readonly string[] {
  return returns.kind === 'scalar' ? comparedTypes(returns.type.scalar, spelling) : [];
}
