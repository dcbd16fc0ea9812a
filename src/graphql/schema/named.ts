import {
  GraphQLBoolean,
  GraphQLEnumType,
  type GraphQLEnumValueConfigMap,
  GraphQLFloat,
  type GraphQLInputFieldConfig,
  GraphQLInt,
  GraphQLList,
  type GraphQLNamedType,
  GraphQLNonNull,
  type GraphQLNullableType,
  GraphQLScalarType,
  GraphQLString,
} from 'graphql';
import { keptIn } from '../../core/kept-in.ts';

/** A member of an input object, by its name. */
export type Member = readonly [string, GraphQLInputFieldConfig];

/** The types of one schema by name. GraphQL allows one type per name, so each is made once and shared. */
export class TypeRegistry {
  readonly #types = new Map<string, GraphQLNamedType>(
    [GraphQLInt, GraphQLFloat, GraphQLString, GraphQLBoolean].map((type) => [type.name, type]),
  );

  /** The type of this name. `make` is called on first use only, so it must not depend on who asks. */
  once<T extends GraphQLNamedType>(name: string, make: (name: string) => T): T {
    return keptIn(this.#types, name, () => make(name)) as T;
  }

  scalar(name: string): GraphQLScalarType {
    return this.once(name, () => new GraphQLScalarType({ name }));
  }

  enumeration(name: string, values: readonly EnumValue[], description: string | null): GraphQLEnumType {
    return this.once(name, () => new GraphQLEnumType({ name, description, values: enumConfig(values) }));
  }
}

/** A value of a GraphQL enum. */
export interface EnumValue {
  readonly name: string;
  readonly description: string | null;
}

function enumConfig(values: readonly EnumValue[]): GraphQLEnumValueConfigMap {
  return sorted(values.map(({ name, description }) => [name, { description }] as const));
}

/** An object with its members in Hasura's order: by code point, capitals first. */
export function sorted<T>(members: Iterable<readonly [string, T]>): Record<string, T> {
  const result: Record<string, T> = Object.create(null);
  for (const [name, member] of [...members].sort(([a], [b]) => (a < b ? -1 : 1))) result[name] = member;
  return result;
}

/** `T!`. */
export function required<T extends GraphQLNullableType>(type: T): GraphQLNonNull<T> {
  return new GraphQLNonNull(type);
}

/** `[T!]`. */
export function listOf<T extends GraphQLNullableType>(type: T): GraphQLList<GraphQLNonNull<T>> {
  return new GraphQLList(new GraphQLNonNull(type));
}
