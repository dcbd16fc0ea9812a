import { insertRows, quoted, relation, text } from './database-of.ts';
import { generateRow } from './generate-world.ts';
import type { Random } from './random.ts';
import { typeOf } from './value-types.ts';
import {
  type ColumnModel,
  type Condition,
  permissionsFor,
  relationshipNamed,
  type TableModel,
  tableNamed,
  viewOf,
  type World,
  writableOf,
} from './world.ts';

// What a role must learn nothing of.
//
// A column is hidden when the role may select it nowhere, nor what is generated of it, no rule of the role reads it, and it is
// part of no key and of no mapping: keys and mappings decide which rows there are and how they hang together, which the role may see.
// A row is hidden when the role's rule for its table lets it through neither before nor after the change, and no rule of the
// role walks into that table: where one does, rows that cannot be seen decide what can.

/** Everything of a world that a role must learn nothing of. */
export interface Hidden {
  readonly columns: ReadonlyMap<string, readonly ColumnModel[]>;
  /** Tables whose rows may be hidden. */
  readonly rows: readonly TableModel[];
}

/** What is hidden from a role. */
export function hiddenFrom(world: World, role: string): Hidden {
  const read = new Set<string>();
  const walked = new Set<string>();
  for (const table of world.tables) {
    for (const { filter } of permissionsFor(table, role))
      noteRule(world, { table, root: table, read, walked }, filter);
    for (const { to, on } of table.relationships) {
      for (const [left, right] of on) read.add(`${table.field} ${left}`).add(`${to} ${right}`);
    }
  }
  const columns = world.tables.map((table): [string, ColumnModel[]] => {
    const seen = new Set(viewOf(table, role)?.columns);
    const isHidden = (column: ColumnModel): boolean =>
      !seen.has(column) && !table.key.includes(column.name) && !read.has(`${table.field} ${column.name}`);
    const hidden = table.columns.filter(isHidden);
    const isKnown = ({ name }: ColumnModel): boolean =>
      table.columns.some((column) => column.generated?.of === name && !hidden.includes(column));
    return [table.field, hidden.filter((column) => column.generated === null && !isKnown(column))];
  });
  return { columns: new Map(columns), rows: world.tables.filter(({ field }) => !walked.has(field)) };
}

interface Reading {
  readonly table: TableModel;
  readonly root: TableModel;
  readonly read: Set<string>;
  readonly walked: Set<string>;
}

function noteRule(world: World, at: Reading, rule: Condition): void {
  const into = (table: TableModel, of: Condition): void => {
    at.walked.add(table.field);
    noteRule(world, { ...at, table }, of);
  };
  if ('column' in rule) at.read.add(`${at.table.field} ${rule.column}`);
  switch (rule.kind) {
    case 'columns':
      at.read.add(`${(rule.root ? at.root : at.table).field} ${rule.other}`);
      return;
    case 'and':
    case 'or':
      for (const part of rule.of) noteRule(world, at, part);
      return;
    case 'not':
      return noteRule(world, at, rule.of);
    case 'exists':
      return into(tableNamed(world, rule.table), rule.of);
    case 'aggregate': {
      const to = tableNamed(world, relationshipNamed(at.table, rule.relationship).to);
      for (const column of rule.columns) at.read.add(`${to.field} ${column}`);
      return into(to, rule.filter ?? { kind: 'true' });
    }
    case 'related':
      return into(tableNamed(world, relationshipNamed(at.table, rule.relationship).to), rule.of);
    default:
      return;
  }
}

/** A statement on one table that is meant to touch only what is hidden; `isRow` when whole rows are, to be checked. */
export interface HiddenChange {
  readonly table: TableModel;
  readonly sql: string;
  readonly isRow: boolean;
}

/** Changes of hidden cells, and of rows that the role's rules let through neither before nor after. */
export function hiddenChanges(
  random: Random,
  hidden: Hidden,
  invisible: (table: TableModel) => string,
): readonly HiddenChange[] {
  const cells = [...hidden.columns].flatMap(([field, columns]) =>
    columns.map((column) => ({ field, column })),
  );
  const tables = new Map(hidden.rows.map((table) => [table.field, table]));
  const changes: HiddenChange[] = [];
  for (const { field, column } of random.some(cells, 0, 6)) {
    const table = tables.get(field);
    if (table !== undefined)
      changes.push({
        table,
        sql: `update ${relation(table)} set ${quoted(column.name)} = ${cell(random, column)}`,
        isRow: false,
      });
  }
  for (const table of random.some(hidden.rows, 0, 4)) {
    const rest = writableOf(table).filter(({ name }) => !table.key.includes(name));
    const row = generateRow(random, table);
    changes.push({ table, sql: insertRows(table, [row]), isRow: true });
    if (rest.length > 0) {
      const column = random.pick(rest);
      changes.push({
        table,
        sql: `update ${relation(table)} t set ${quoted(column.name)} = ${cell(random, column)} where ${invisible(table)}`,
        isRow: true,
      });
    }
    if (random.chance(0.4))
      changes.push({ table, sql: `delete from ${relation(table)} t where ${invisible(table)}`, isRow: true });
  }
  return changes;
}

function cell(random: Random, column: ColumnModel): string {
  return text(column.notNull || random.chance(0.8) ? random.pick(typeOf(column.type).values).text : null);
}
