import type { Catalog, Column, Relationship, RemoteOptions, Table } from '../../catalog/catalog.ts';
import { NO_TYPES } from '../../catalog/type/held-type.ts';
import { keptIn } from '../../core/kept-in.ts';
import { type SourceName, tableKey } from '../../core/names.ts';
import type { Budget } from '../budget.ts';
import type { Join, PlanTable, Predicate, RemoteUse } from '../plan.ts';
import { conjuncts } from '../predicates.ts';
import type { RowsCall } from '../rows-call.ts';
import { identityOf, keyOf, numbered } from './identity.ts';

/** What a place is reached through: the root field's database, and the remote relationship that led here, if one did. */
export interface Scope {
  readonly rootSource: SourceName;
  readonly options: RemoteOptions | null;
}

/** An occurrence of a table in the plan being made. */
export interface Place {
  readonly id: number;
  readonly table: Table;
  readonly scope: Scope;
  /** What the plan says of it; complete once the plan is. */
  readonly planTable: PlanTable;
  /** Notes that a column is read here, and returns it. */
  read(column: Column): Column;
  /** Notes which rows the role may see here, and returns it. */
  permit(rule: Predicate): Predicate;
  /** Notes when a computed column may be shown here. */
  guard(column: Column, onlyIf: Predicate): void;
}

/** A relationship followed to a new place. */
export interface Followed {
  readonly join: Join;
  readonly to: Place;
}

/** What a place costs, beside the field or condition that leads there, counted in fields: its rows are a subquery or a join. */
const WEIGHT_OF_PLACE = 3;

/** Hands out places, and notes which remote tables and columns the plan reads. */
export class Places {
  readonly #sources: Catalog['sources'];
  readonly #places: { readonly place: Place; readonly columns: Column[] }[] = [];

  readonly #budget: Pick<Budget, 'spend'>;

  constructor({ sources }: Pick<Catalog, 'sources'>, budget: Pick<Budget, 'spend'>) {
    this.#sources = sources;
    this.#budget = budget;
  }

  /** A new place for a table, or for rows like it that a call answers. */
  open(table: Table, scope: Scope, call: RowsCall | null = null): Place {
    this.#budget.spend('$', WEIGHT_OF_PLACE);
    const columns: Column[] = [];
    const names = new Set<string>();
    const permitted: Predicate[] = [];
    const guarded: PlanTable['guarded'][number][] = [];
    const planTable: PlanTable = {
      id: this.#places.length,
      source: table.source,
      ref: table.ref,
      columns,
      key: call === null ? keyOf(table) : [],
      permitted,
      guarded,
      identity: identityOf(table, call),
      ...(call === null ? {} : { call }),
    };
    const read = (column: Column): Column => {
      if (!names.has(column.name)) columns.push(column);
      names.add(column.name);
      return column;
    };
    const permit = (rule: Predicate): Predicate => {
      permitted.push(...conjuncts(rule));
      return rule;
    };
    const guard = (column: Column, onlyIf: Predicate): void => {
      guarded.push({ column, onlyIf });
    };
    const place: Place = { id: planTable.id, table, scope, planTable, read, permit, guard };
    this.#places.push({ place, columns });
    return place;
  }

  /** A new place at the far end of a relationship, with the join's columns read on both sides. */
  follow(from: Place, relationship: Relationship, table: Table, call: RowsCall | null = null): Followed {
    const options = relationship.remote ?? from.scope.options;
    const { rootSource } = from.scope;
    const isFetched = call !== null && table.source !== rootSource;
    const told = isFetched ? { ...call, told: numbered(relationship.on, table) } : call;
    const to = this.open(table, { rootSource, options }, told);
    for (const pair of relationship.on) {
      from.read(pair.left);
      to.read(pair.right);
    }
    const { name, on, unique, indexed } = relationship;
    return { join: { name, on, unique, indexed }, to };
  }

  /** Puts every place's columns into the table's order; nothing may be read afterwards. */
  close(): readonly RemoteUse[] {
    for (const { place, columns } of this.#places) {
      const order = new Map(place.table.columns.map((column, index) => [column.name, index]));
      const rank = ({ name }: Column): number => order.get(name) ?? order.size;
      columns.sort((a, b) => rank(a) - rank(b));
    }
    return this.#remotes();
  }

  #remotes(): readonly RemoteUse[] {
    const uses = new Map<string, UseInMaking>();
    for (const { place, columns } of this.#places) {
      const { scope, table } = place;
      if (table.source === scope.rootSource) continue;
      const id = JSON.stringify([scope.rootSource, table.source]);
      const use = keptIn(uses, id, () => ({
        source: scope.rootSource,
        target: table.source,
        tables: new Map(),
        options: new Set(),
        computes: false,
      }));
      if (scope.options !== null) use.options.add(scope.options);
      const read = keptIn(use.tables, tableKey(table.ref), () => ({ table, columns: new Set() }));
      for (const column of columns) read.columns.add(column.name);
      use.computes ||=
        place.planTable.call !== undefined || columns.some(({ computed }) => computed !== undefined);
    }
    return [...uses.values()].map((use) => this.#finished(use));
  }

  #finished({ source, target, tables, options, computes }: UseInMaking): RemoteUse {
    const listed = [...tables.values()].map(({ table, columns }) => ({
      table: table.ref,
      columns: table.columns.filter(({ name }) => columns.has(name)),
    }));
    const known = this.#sources.get(source)?.types ?? NO_TYPES;
    return { source, target, tables: listed, options: [...options], computes, known };
  }
}

interface UseInMaking {
  readonly source: SourceName;
  readonly target: SourceName;
  readonly tables: Map<string, { readonly table: Table; readonly columns: Set<string> }>;
  readonly options: Set<RemoteOptions>;
  computes: boolean;
}
