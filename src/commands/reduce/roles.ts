import { ADMIN } from '../../core/names.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import { inheritsItself } from '../../metadata/model/roles.ts';
import type { Metadata } from '../../metadata/model.ts';
import { removeObject } from '../../metadata/object/objects.ts';
import type { ArgsOf } from '../command.ts';

/** Defines a role by its parents, or defines it anew; refuses a role that would inherit from itself. */
export function addInheritedRole(metadata: Metadata, args: ArgsOf<'add_inherited_role'>): Metadata {
  const { role_name: role, role_set: parents } = args;
  if (role === ADMIN) throw new MetadataError('invalid-params', 'the role "admin" cannot inherit');
  if (parents.length === 0)
    throw new MetadataError('invalid-params', 'an inherited role needs at least one parent');
  if (parents.includes(role)) {
    throw new MetadataError('invalid-params', 'an inherited role name cannot be in the role combination');
  }
  const others = (metadata.inherited_roles ?? []).filter((entry) => entry.role_name !== role);
  const next = [...others, args];
  if (inheritsItself(role, new Map(next.map((entry) => [entry.role_name, entry.role_set])))) {
    throw new MetadataError(
      'invalid-configuration',
      `found cycle(s) in roles: "${role}" inherits from itself`,
    );
  }
  return { ...metadata, inherited_roles: next };
}

/** Forgets an inherited role. */
export function dropInheritedRole(metadata: Metadata, args: ArgsOf<'drop_inherited_role'>): Metadata {
  const known = (metadata.inherited_roles ?? []).some((entry) => entry.role_name === args.role_name);
  if (!known) throw new MetadataError('not-exists', `"${args.role_name}" inherited role doesn't exist`);
  return removeObject(metadata, { kind: 'inherited_role', name: args.role_name });
}

/** Says which roles may not ask for the schema. */
export function disableIntrospection(
  metadata: Metadata,
  args: ArgsOf<'set_graphql_schema_introspection_options'>,
): Metadata {
  return { ...metadata, graphql_schema_introspection: { disabled_for_roles: args.disabled_for_roles } };
}
