import { mismatch } from './encode.ts';
import { type Input, membersOf, valueOf } from './input.ts';

/** The members of an object given where one of this type is expected; refuses anything else in Hasura's words. */
export function objectMembers(
  input: Input,
  type: string,
  path: string,
): readonly (readonly [string, Input])[] {
  const members = membersOf(input);
  if (members === null) throw mismatch(path, 'an object', type, valueOf(input));
  return members;
}
