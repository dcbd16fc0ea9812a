import type { InconsistentObject } from '../../../core/inconsistent-object.ts';
import type { RoleName } from '../../../core/names.ts';
import { inheritsItself } from '../../../metadata/model/roles.ts';
import type { Metadata } from '../../../metadata/model.ts';
import { queryObjectsIn } from '../../../metadata/object/query-objects.ts';
import { attempt, Unresolvable } from '../problems.ts';

/** The parents of each inherited role; a role with unknown parents, or in a cycle, is reported and left out. */
export function resolveRoles(
  metadata: Metadata,
  problems: InconsistentObject[],
): ReadonlyMap<RoleName, readonly RoleName[]> {
  const declared = new Map((metadata.inherited_roles ?? []).map((role) => [role.role_name, role.role_set]));
  const tables = metadata.sources.flatMap((source) => source.tables);
  const functions = metadata.sources.flatMap((source) => source.functions ?? []);
  const own = new Set([
    ...tables.flatMap((table) => (table.select_permissions ?? []).map(({ role }) => role)),
    ...metadata.sources
      .flatMap(queryObjectsIn)
      .flatMap((one) => (one.kind === 'model_permission' ? [one.name] : [])),
    ...functions.flatMap((entry) => (entry.permissions ?? []).map(({ role }) => role)),
  ]);
  const inherited = new Map<RoleName, readonly RoleName[]>();
  for (const [name, parents] of declared) {
    const checked = attempt({ kind: 'inherited_role', name, parents }, problems, () => {
      const unknown = parents.filter((parent) => !own.has(parent) && !declared.has(parent));
      if (unknown.length > 0)
        throw new Unresolvable(
          `in inherited role ${name}: the following parent role(s) are not found: ${unknown.join(', ')} ` +
            `which are required to construct the inherited role: "${name}"`,
        );
      if (inheritsItself(name, declared)) throw new Unresolvable('found cycle(s) in roles');
      return parents;
    });
    if (checked !== null) inherited.set(name, checked);
  }
  return inherited;
}
