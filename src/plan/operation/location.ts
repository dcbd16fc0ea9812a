import { Kind, type TypeNode } from 'graphql';
import { unreachable } from '../../core/assert.ts';

/** The type a place of the schema expects, in GraphQL's notation: `Int`, `[Int!]!`. */
export type LocationType = string;

/** A type as GraphQL prints it. */
export function printType(type: TypeNode): string {
  switch (type.kind) {
    case Kind.NAMED_TYPE:
      return type.name.value;
    case Kind.LIST_TYPE:
      return `[${printType(type.type)}]`;
    case Kind.NON_NULL_TYPE:
      return `${printType(type.type)}!`;
    default:
      return unreachable(type);
  }
}

/** Whether a variable declared so may stand there; a default that is not null makes a nullable variable safe. */
export function mayStandAt(declared: TypeNode, location: LocationType, hasDefault: boolean): boolean {
  const required = location.endsWith('!');
  if (required && declared.kind !== Kind.NON_NULL_TYPE && !hasDefault) return false;
  return fits(declared, required ? location.slice(0, -1) : location);
}

/** Nullability of the outermost type is settled already. */
function fits(declared: TypeNode, location: LocationType): boolean {
  const inner = declared.kind === Kind.NON_NULL_TYPE ? declared.type : declared;
  if (inner.kind === Kind.NAMED_TYPE) return inner.name.value === location;
  if (!location.startsWith('[')) return false;
  const element = location.slice(1, -1);
  if (element.endsWith('!'))
    return inner.type.kind === Kind.NON_NULL_TYPE && fits(inner.type, element.slice(0, -1));
  return fits(inner.type, element);
}
