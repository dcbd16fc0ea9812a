import { GraphQLList, GraphQLObjectType, GraphQLScalarType, GraphQLString, GraphQLUnionType } from 'graphql';
import type { Catalog } from '../../catalog/catalog.ts';
import type { RoleName } from '../../core/names.ts';
import type { RootType } from '../../plan/role/visible.ts';
import { ENTITIES, ENTITY, SERVICE, visibleEntities } from '../../plan/root/entities.ts';
import { listOf, required } from './named.ts';
import type { Field, TableTypes } from './tables.ts';

/** The root type that fields are made for; `wanted` limits them to some names. */
interface Scope {
  readonly catalog: Catalog;
  readonly role: RoleName;
  readonly type: RootType;
  readonly wanted: ReadonlySet<string> | undefined;
}

/** The root fields of a service in an Apollo federation; none where that is not enabled. */
export function federationFields(
  { catalog, role, type, wanted }: Scope,
  tables: TableTypes,
): readonly Field[] {
  if (catalog.entities === null || type !== 'query_root') return [];
  const fields = fieldsFor(catalog, role, tables);
  return wanted === undefined ? fields : fields.filter(([name]) => wanted.has(name));
}

function fieldsFor(catalog: Catalog, role: RoleName, tables: TableTypes): readonly Field[] {
  const sdl = { type: required(GraphQLString), description: 'SDL representation of schema' };
  const service = new GraphQLObjectType({ name: '_Service', fields: { sdl } });
  const types = visibleEntities(catalog, role).map((view) => tables.row(view));
  const fields: Field[] = [[SERVICE, { type: required(service) }]];
  if (types.length === 0) return fields;
  const entity = new GraphQLUnionType({
    name: ENTITY,
    description: 'A union of all types that use the @key directive',
    types,
  });
  const args = {
    representations: {
      type: required(listOf(new GraphQLScalarType({ name: '_Any', description: 'Scalar _Any' }))),
    },
  };
  fields.push([
    ENTITIES,
    { type: required(new GraphQLList(entity)), args, description: 'query _Entity union' },
  ]);
  return fields;
}
