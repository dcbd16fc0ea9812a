import type { Input } from './input.ts';
import type { LocationType } from './location.ts';
import type { ValueType } from './params.ts';
import type { Operand } from './plan.ts';
import type { Planning, Position } from './planning.ts';

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
