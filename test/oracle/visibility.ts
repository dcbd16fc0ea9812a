import type { Random } from './random.ts';
import {
  calledNamed,
  type PermissionModel,
  permissionsFor,
  type RootFields,
  rootNamed,
  type TableModel,
  type View,
  viewOf,
  type World,
} from './world.ts';

/** The world with root fields that roles may not have. */
export function withRootFields(random: Random, world: World): World {
  const narrowed = (table: TableModel, permission: PermissionModel): PermissionModel => {
    const seesKey = !table.isView && table.key.every((name) => permission.columns.includes(name));
    const possible = [
      'select',
      ...(seesKey ? ['select_by_pk'] : []),
      ...(permission.aggregate ? ['select_aggregate'] : []),
    ];
    const some = (of: readonly string[]): readonly string[] | null =>
      random.chance(0.5) ? null : random.some(of, 0);
    return {
      ...permission,
      rootFields: { query: some(possible), subscription: some([...possible, 'select_stream']) },
    };
  };
  const tables = world.tables.map((table) => ({
    ...table,
    permissions: table.permissions.map((permission) => narrowed(table, permission)),
  }));
  return { ...world, tables };
}

/** The names of the fields that a role's operations begin with, without those of namespaces and of no table. */
export function rootFieldsFor(world: World, role: string, of: keyof RootFields): readonly string[] {
  return world.tables.flatMap((table) => {
    const view = viewOf(table, role);
    if (view === null) return [];
    if (table.isQuery) return [rootNamed(world, table)];
    const called = view.aggregate ? ['', '_aggregate'] : [''];
    return [
      ...ownFields(view, role, of).map((ending) => rootNamed(world, table, ending)),
      ...called.map((ending) => calledNamed(world, table, ending)),
    ];
  });
}

/** The endings of the root fields that are a table's own. */
function ownFields(
  { table, columns, aggregate }: View,
  role: string,
  of: keyof RootFields,
): readonly string[] {
  const seesKey = !table.isView && table.key.every((name) => columns.some((column) => column.name === name));
  const possible = {
    select: '',
    ...(aggregate ? { select_aggregate: '_aggregate' } : {}),
    ...(seesKey ? { select_by_pk: '_by_pk' } : {}),
    ...(of === 'subscription' ? { select_stream: '_stream' } : {}),
  };
  const isAllowed = (name: string): boolean =>
    role === 'admin' ||
    permissionsFor(table, role).some(({ rootFields }) => rootFields?.[of]?.includes(name) ?? true);
  return Object.entries(possible).flatMap(([name, ending]) => (isAllowed(name) ? [ending] : []));
}
