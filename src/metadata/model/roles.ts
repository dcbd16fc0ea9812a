import { z } from 'zod';
import type { RoleName } from '../../core/names.ts';

/** A role that may do what any of its parents may. */
export const inheritedRole = z.looseObject({
  role_name: z.string().min(1),
  role_set: z.array(z.string().min(1)),
});

/** Whether a role is among those that it inherits from, at whatever distance. */
export function inheritsItself(
  role: RoleName,
  parentsOf: ReadonlyMap<RoleName, readonly RoleName[]>,
): boolean {
  const seen = new Set<RoleName>();
  const open = [...(parentsOf.get(role) ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === role) return true;
    if (!seen.has(next)) open.push(...(parentsOf.get(next) ?? []));
    seen.add(next);
  }
  return false;
}
