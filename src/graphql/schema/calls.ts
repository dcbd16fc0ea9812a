import {
  type GraphQLFieldConfigArgumentMap,
  type GraphQLInputFieldConfig,
  GraphQLInputObjectType,
} from 'graphql';
import { givenSlots } from '../../catalog/call/function-arguments.ts';
import type { Signature } from '../../catalog/catalog.ts';
import { required, sorted, type TypeRegistry } from './named.ts';

/** Name and description of the input type of a function's arguments. */
export interface CallNames {
  readonly type: string;
  readonly description: string;
}

/** The `args` of a field that calls a function: optional when all of them have defaults, none when a request gives none. */
export function callArguments(
  registry: TypeRegistry,
  signature: Signature,
  { type, description }: CallNames,
): GraphQLFieldConfigArgumentMap {
  const given = givenSlots(signature);
  if (given.length === 0) return {};
  const input = registry.once(type, (name) => {
    const fields = given.map(({ field, type, notNull, description = null }) => {
      const scalar = registry.scalar(type.scalar);
      return [field, { type: notNull === true ? required(scalar) : scalar, description }] as const;
    });
    return new GraphQLInputObjectType({ name, fields: () => sorted<GraphQLInputFieldConfig>(fields) });
  });
  const isOptional = given.every(({ hasDefault }) => hasDefault);
  return { args: { type: isOptional ? input : required(input), description } };
}
