import type { GraphQLSchema } from 'graphql';
import type { Catalog } from '../../src/catalog/catalog.ts';
import type { RoleName } from '../../src/core/names.ts';
import { atOnce } from '../../src/core/waiting/slices.ts';
import { schemaSteps } from '../../src/graphql/schema.ts';

/** A role's schema, made without a pause. */
export function buildSchema(catalog: Catalog, role: RoleName): GraphQLSchema {
  return atOnce(schemaSteps(catalog, role));
}
