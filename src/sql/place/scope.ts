import type { Column, FunctionCall } from '../../catalog/catalog.ts';
import { must } from '../../core/assert.ts';
import type { Param, PlanTable } from '../../plan/plan.ts';
import { identifier, qualified, type Sql, separated, sql, syntax } from '../sql.ts';
import { callSql } from './function-call.ts';
import { heldAs, isAtHome, type Leaf, type Leaves } from './leaf.ts';

/** One row somewhere in a statement: how its columns are read there. */
export interface RowScope {
  readonly table: PlanTable;
  /** Its leaf holds only rows that satisfy the place's own filter. */
  readonly filtered: boolean;
  read(column: Column): Sql;
  /** The type it is held as where that differs from the column's own; null where it does not. */
  heldAs(column: Column): string | null;
  /** It is read in its own database, where all of its table is. */
  readonly atHome: boolean;
  /** The whole row as one value of its table's row type, which only its own database has. */
  whole(): Sql;
}

/** Rows that an expression may refer to: the innermost, and those around it. */
export type RowsInScope = { readonly row: RowScope; readonly around: RowsInScope } | null;

/** What stays the same while one statement is built, and its alias counter. */
export interface Build {
  readonly leaves: Leaves;
  readonly params: readonly Param[];
  readonly stringifyNumbers: boolean;
  /** Whether a place lies outside the database the statement runs in. */
  readonly isRemote: (table: PlanTable) => boolean;
  /** Places whose rows another database writes: what shows them is left open. */
  readonly gaps: ReadonlySet<number>;
  /** Aliases are short and never hold a user's text, which Postgres would cut at 63 bytes. */
  readonly alias: () => string;
}

/** No gaps: the statement writes everything itself. */
export const NO_GAPS: ReadonlySet<number> = new Set();

/** Starts a statement. */
export function startBuild(what: Omit<Build, 'alias'>): Build {
  let last = 0;
  return {
    ...what,
    alias: () => {
      last += 1;
      return `t${last}`;
    },
  };
}

/** The row that an expression is about. */
export interface Site {
  readonly row: RowScope;
  /** This row, and those around it. */
  readonly rows: RowsInScope;
  readonly build: Build;
}

/** One more row, as an expression sees it. */
export function siteOf(row: RowScope, { rows, build }: Pick<Site, 'rows' | 'build'>): Site {
  return { row, rows: { row, around: rows }, build };
}

/** What a select stands in. */
export interface Around {
  readonly rows: RowsInScope;
  readonly build: Build;
  /** The condition that joins its rows to the row around it; null where there is none. */
  readonly link: ((right: RowScope) => Sql) | null;
}

/** A select that nothing is around. */
export function atTop(build: Build): Around {
  return { rows: null, build, link: null };
}

/** A row read straight from its FROM item. A computed column was fetched with the rest, or is computed here. */
export function directScope(
  table: PlanTable,
  leaf: Leaf,
  alias: string,
  { params, row = null }: Pick<Build, 'params'> & { readonly row?: Sql | null },
): RowScope {
  const whole = (): Sql => {
    if (leaf.kind === 'given')
      return sql`${syntax(alias)}.${identifier(must(table.identity[0], 'a row').name)}`;
    if (leaf.kind === 'table') return row ?? wholeRow(table, alias);
    throw new Error('bug: a call about a row that was fetched');
  };
  return {
    table,
    atHome: isAtHome(leaf),
    filtered: 'filtered' in leaf && leaf.filtered,
    read: ({ name, computed, beside }) => {
      if (isAtHome(leaf) && beside === 'row') return sql`${whole()}::text`;
      return computed === undefined || !isAtHome(leaf)
        ? sql`${syntax(alias)}.${identifier(name)}`
        : callSql(computed.call, { params, row: whole });
    },
    heldAs: (column) => heldAs(column, leaf),
    whole,
  };
}

/** Without the cast a select list would have the row's columns; without the star a column could have the alias' name. */
function wholeRow({ ref }: PlanTable, alias: string): Sql {
  return sql`(${syntax(alias)}.*)::${qualified(ref)}`;
}

/** The row of a place that encloses the current row. */
export function rowOf(rows: RowsInScope, id: number): RowScope {
  let found = rows;
  while (found !== null && found.row.table.id !== id) found = found.around;
  return must(found, `row of place ${id}`).row;
}

/** What an inner select is built with, and whether it may leave out rows that its filter lets through. */
interface InnerSelect extends Pick<Build, 'params'> {
  readonly isCut: boolean;
}

/**
 * The output of an inner select. JSON is built above it, and only columns that are read there are handed up. So no JSON is
 * built for rows that a limit cuts off, and no function is called for a field that is not shown (it could fail).
 */
export class Exposure {
  readonly #alias: string;
  readonly #select: InnerSelect;
  readonly #columns = new Map<string, { readonly inner: Sql; readonly name: string }>();

  constructor(alias: string, select: InnerSelect) {
    this.#alias = alias;
    this.#select = select;
  }

  /** The inner row as it is read from above. */
  lift(inner: RowScope): RowScope {
    const whole = (): Sql => this.expose(JSON.stringify([inner.table.id]), inner.whole());
    return {
      table: inner.table,
      filtered: inner.filtered,
      atHome: inner.atHome,
      heldAs: (column) => inner.heldAs(column),
      read: (column) => {
        const call = this.#calledAbove(inner, column);
        return call === null
          ? this.expose(JSON.stringify([inner.table.id, column.name]), inner.read(column))
          : callSql(call, { ...this.#select, row: whole });
      },
      whole,
    };
  }

  /** What computes a column that is not shown of every row, from the row as a whole. */
  #calledAbove({ table, atHome }: RowScope, { name, computed }: Column): FunctionCall | null {
    if (computed === undefined || !atHome) return null;
    return this.#select.isCut || table.guarded.some(({ column }) => column.name === name)
      ? computed.call
      : null;
  }

  /** Hands up one expression of the inner select; for the same key there is one column. */
  expose(key: string, inner: Sql): Sql {
    const known = this.#columns.get(key);
    const name = known?.name ?? `c${this.#columns.size}`;
    if (known === undefined) this.#columns.set(key, { inner, name });
    return syntax(`${this.#alias}.${name}`);
  }

  /** The inner select's list; call it after everything above is built. */
  list(): Sql {
    const columns = [...this.#columns.values()].map(({ inner, name }) => sql`${inner} as ${syntax(name)}`);
    return columns.length === 0 ? syntax('1') : separated(columns, ', ');
  }
}
