import type { Field, Query, Root } from './generate-query.ts';
import { relationshipNamed, type TableModel, tableNamed, type World } from './world.ts';

/** Whether a query shows rows of a table, but for those that it begins with. */
export function leadsTo(world: World, { roots }: Query, table: TableModel): boolean {
  return roots.some((root) => fieldsOf(root).some((field) => shows(tableNamed(world, root.table), field)));

  function shows(from: TableModel, field: Field): boolean {
    if (!('relationship' in field)) return false;
    const to = tableNamed(world, relationshipNamed(from, field.relationship).to);
    return to === table || fieldsOf(field).some((inner) => shows(to, inner));
  }
}

function fieldsOf(of: Root | Field): readonly Field[] {
  if ('fields' in of) return of.fields;
  return 'parts' in of ? of.parts.flatMap((part) => ('fields' in part ? part.fields : [])) : [];
}
