import { inside, type Planning, type Position } from '../planning.ts';
import { nullForList, unexpectedNull } from '../problem.ts';
import { booleanOf } from '../value/built-in.ts';
import { asEnums, type Enumeration, mismatch, unknownEnumValue } from '../value/encode.ts';
import { EnumText, elementsOf, type Input, isNull, valueOf } from '../value/input.ts';

/** A boolean (`_is_null`, `distinct`) that becomes part of the plan. */
export function planBoolean(planning: Planning, given: Input, at: Position): boolean {
  return booleanOf(valueOf(planning.variables.open(given, 'Boolean', at.path)), at.path);
}

/** An enum value that becomes part of the plan; null stays null. */
export function planEnum(planning: Planning, given: Input, type: Enumeration, at: Position): string | null {
  const input = planning.variables.open(given, type.name, at.path);
  return isNull(input) ? null : nameOf(input, type, at.path);
}

/** A list of enum values that become part of the plan; a single one stands for a list of one. */
export function planEnums(
  planning: Planning,
  given: Input,
  type: Enumeration,
  at: Position,
): readonly string[] {
  const input = planning.variables.open(given, `[${type.name}!]`, at.path);
  if (isNull(input)) throw nullForList(at.path);
  return (elementsOf(input) ?? [input]).map((element, index) => {
    const here = inside(planning, at, index);
    const opened = planning.variables.open(element, `${type.name}!`, here.path);
    if (isNull(opened)) throw unexpectedNull(here.path, type.name);
    return nameOf(opened, type, here.path);
  });
}

function nameOf(input: Input, type: Enumeration, path: string): string {
  const value = input.kind === 'json' ? asEnums(input.value) : valueOf(input);
  if (!(value instanceof EnumText)) throw mismatch(path, 'an enum value', type.name, valueOf(input));
  if (!type.values.includes(value.name)) throw unknownEnumValue(type, value.name, path);
  return value.name;
}
