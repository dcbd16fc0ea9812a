import type { Planning, Position } from '../planning.ts';
import { notFound } from '../problem.ts';
import { mismatch } from '../value/encode.ts';
import { type Input, membersOf, valueOf } from '../value/input.ts';

/** Members of an object with their names, in the order of the request. */
export type Members = readonly (readonly [string, Input])[];

/** The members of an object given where one of this type is expected; refuses anything else in Hasura's words. */
export function objectMembers(input: Input, type: string, path: string): Members {
  const members = membersOf(input);
  if (members === null) throw mismatch(path, 'an object', type, valueOf(input));
  return members;
}

/** The same, where a variable may hold the object. */
export function openMembers(planning: Planning, given: Input, type: string, at: Position): Members {
  return objectMembers(planning.variables.open(given, type, at.path), type, at.path);
}

/** Members by name, after refusing those that their type does not have. */
export function knownMembers(
  members: Members,
  type: string,
  names: Iterable<string>,
  at: Position,
): ReadonlyMap<string, Input> {
  const known = new Set(names);
  for (const [name] of members) if (!known.has(name)) throw notFound(at.path, name, type);
  return new Map(members);
}
