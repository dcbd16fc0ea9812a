import type { Column, ColumnType } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { travelsAsText, travelType } from '../../catalog/type/travel-type.ts';
import type { PlanTable } from '../../plan/plan.ts';
import { identifier, parameter, qualified, type Sql, separated, sql, syntax, unnested } from '../sql.ts';

/** A column of a remote table as the source database holds it: its own type, or text where the source lacks the type. */
export interface LeafColumn {
  readonly name: string;
  /** Safe to paste into SQL. */
  readonly type: string;
}

/** Where the rows of one place of a plan come from. */
export type Leaf =
  /** The table itself, in the database the statement runs in. */
  | { readonly kind: 'table' }
  /** One row of the table, given as a text in the database of the table. */
  | { readonly kind: 'given'; readonly row: Sql }
  /** A cache table in schema `nearjoin`. */
  | { readonly kind: 'cache'; readonly relation: string; readonly columns: readonly LeafColumn[] }
  /**
   * Rows fetched for this place or another (`PlanTable.id`), one array parameter per column. `filtered`: they satisfy the place's own
   * filter already.
   */
  | {
      readonly kind: 'inline';
      readonly place: number;
      readonly columns: readonly LeafColumn[];
      readonly filtered: boolean;
    }
  /** Fetched rows in a session's temporary table. */
  | {
      readonly kind: 'temp';
      readonly relation: string;
      readonly columns: readonly LeafColumn[];
      readonly filtered: boolean;
    };

/** Rows that were fetched. */
export type FetchedLeaf = Extract<Leaf, { kind: 'inline' | 'temp' }>;

/** Chooses the leaf of each place of a plan. */
export type Leaves = (table: PlanTable) => Leaf;

/** Every place is read from its own table: for statements that need no other database. */
export const ownTables: Leaves = () => ({ kind: 'table' });

/** The FROM item of a place. */
export function fromLeaf(table: PlanTable, leaf: Leaf, alias: string): Sql {
  switch (leaf.kind) {
    case 'table':
      return sql`${qualified(table.ref)} ${syntax(alias)}`;
    case 'given':
      return givenRow(table, leaf.row, alias);
    case 'cache':
      return sql`nearjoin.${identifier(leaf.relation)} ${syntax(alias)}`;
    case 'temp':
      return sql`pg_temp.${identifier(leaf.relation)} ${syntax(alias)}`;
    case 'inline':
      return fetchedRows(leaf.place, leaf.columns, alias);
  }
}

/** The row's columns, and the whole row beside them; `offset 0` keeps Postgres from reading the text more than once. */
function givenRow({ ref, identity }: PlanTable, row: Sql, alias: string): Sql {
  const [whole] = identity;
  if (whole === undefined) throw new Error('bug: a row that nothing tells from others');
  return sql`lateral (select (g.r).*, g.r as ${identifier(whole.name)} from (select ${row}::${qualified(ref)} as r offset 0) g) ${syntax(alias)}`;
}

/** Whether the rows are read from their own table, so that all of its columns are there. */
export function isAtHome(leaf: Leaf): leaf is Extract<Leaf, { kind: 'table' | 'given' }> {
  return leaf.kind === 'table' || leaf.kind === 'given';
}

/** Rows that were fetched for a place. What cannot be an element of an array travels as its text and is cast back. */
export function fetchedRows(place: number, columns: readonly LeafColumn[], alias: string): Sql {
  const arrays = columns.map((column, i) => {
    const values = parameter({ kind: 'fetched', table: place, column: i });
    return sql`${values}::${syntax(`${travelType(column.type)}[]`)}`;
  });
  const names = columns.map((column) => identifier(column.name));
  if (!columns.some((column) => travelsAsText(column.type))) {
    return sql`${unnested(arrays)} as ${syntax(alias)}(${separated(names, ', ')})`;
  }
  const cast = columns.map((column, i) =>
    travelsAsText(column.type)
      ? sql`r.${syntax(`c${i}`)}::${syntax(column.type)} as ${identifier(column.name)}`
      : sql`r.${syntax(`c${i}`)} as ${identifier(column.name)}`,
  );
  const inner = columns.map((_, i) => syntax(`c${i}`));
  const list = separated(cast, ', ');
  return sql`(select ${list} from ${unnested(arrays)} as r(${separated(inner, ', ')})) ${syntax(alias)}`;
}

/** The type a remote column is held as, where that may differ from its own; null where both are the same. */
export function heldAs(column: Column, leaf: Leaf): string | null {
  if (isAtHome(leaf)) return null;
  const held = leaf.columns.find((candidate) => candidate.name === column.name)?.type;
  if (held === undefined || isBuiltIn(column.type, held)) return null;
  return held.replace(/\([^()"]*\)(\[\])?$/, '$1');
}

function isBuiltIn(type: ColumnType, held: string): boolean {
  const base = baseType(type);
  const element = base.kind === 'array' && base.element !== null ? baseType(base.element) : base;
  // Arrays of a domain belong to its schema, whatever the domain is made of.
  const isKnown = base.schema === 'pg_catalog' && element.schema === 'pg_catalog';
  return isKnown && (base.name === 'text' || held !== 'text');
}
