import { type CollectedField, checkArguments } from '../operation/collect.ts';
import type { LocationType } from '../operation/location.ts';
import type { Planning, Position } from '../planning.ts';
import { type Input, isNull, literal } from '../value/input.ts';

/** An argument of a field, or a member of one: what was given for it, null where it was left out. */
export interface Argument {
  readonly name: string;
  readonly given: Input | null;
  readonly at: Position;
}

/**
 * Gives access to a field's arguments by their Hasura names, after refusing those that it does not have; `spelled` says
 * how the source of the field's table spells a name.
 */
export function argumentsOf<Name extends string>(
  field: CollectedField,
  names: readonly Name[],
  spelled: (name: string) => string,
): (name: Name) => Argument {
  checkArguments(field, names.map(spelled));
  return (known) => {
    const name = spelled(known);
    const node = field.arguments.get(name);
    const at = { path: `${field.at.path}.args.${name}`, depth: field.at.depth + 1 };
    return { name, given: node === undefined ? null : literal(node), at };
  };
}

/** What was given for an argument, a variable replaced by its value; null where it was left out, or is null. */
export function openArgument(planning: Planning, { given, at }: Argument, type: LocationType): Input | null {
  const input = given === null ? null : planning.variables.open(given, type, at.path);
  return input === null || isNull(input) ? null : input;
}
