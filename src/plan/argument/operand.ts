import { plainOperand } from '../../catalog/conditions/operand-type.ts';
import type { ObjectOperand } from '../../catalog/conditions/spatial-operators.ts';
import type { LocationType } from '../operation/location.ts';
import type { Operand } from '../plan.ts';
import { inside, type Planning, type Position } from '../planning.ts';
import { missingField } from '../problem.ts';
import type { ValueType } from '../value/encode.ts';
import type { Input } from '../value/input.ts';
import { knownMembers, openMembers } from './members.ts';

/** The right side of a comparison as a parameter; arguments of fields may be `required`, members of objects are not. */
export function planOperand(
  planning: Planning,
  input: Input,
  value: ValueType,
  at: Position & { readonly required?: boolean },
): Operand {
  const location = locationOf(value);
  const opened = planning.variables.open(input, at.required === true ? `${location}!` : location, at.path);
  checkElements(planning, opened, value, at.path);
  return planning.params.value(opened, value, at.path);
}

/** The right side of an operator that is an object, in the order of its function; members that are left out are the last. */
export function planObjectOperand(
  planning: Planning,
  { typeName, members }: ObjectOperand,
  given: Input,
  at: Position,
): readonly Operand[] {
  const names = members.map(({ name }) => name);
  const values = knownMembers(openMembers(planning, given, typeName, at), typeName, names, at);
  return members.flatMap(({ name, type, required }) => {
    const value = values.get(name);
    if (value === undefined && required) throw missingField(at.path, name);
    if (value === undefined) return [];
    const here = { ...inside(planning, at, name), required };
    return [planOperand(planning, value, { ...plainOperand(type), enumeration: null }, here)];
  });
}

/** Variables among the elements of a literal list must be declared as elements. */
function checkElements(planning: Planning, input: Input, value: ValueType, path: string): void {
  if (input.kind !== 'literal' || input.node.kind !== 'ListValue') return;
  if (!value.list && value.type.kind !== 'array') return;
  const element: LocationType =
    value.list && value.type.kind === 'array' ? `[${value.type.scalar}!]!` : `${scalarOf(value)}!`;
  input.node.values.forEach((node, index) => {
    if (node.kind === 'Variable') planning.variables.check(node.name.value, element, `${path}[${index}]`);
  });
}

/** What a variable there must be declared as. */
export function locationOf(value: ValueType): LocationType {
  const scalar = scalarOf(value);
  const one = value.type.kind === 'array' && value.enumeration === null ? `[${scalar}!]` : scalar;
  return value.list ? `[${one}!]` : one;
}

function scalarOf({ type, enumeration }: ValueType): string {
  return enumeration?.name ?? type.scalar;
}
