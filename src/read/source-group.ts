import type { CacheTable } from '../cache/status/cache-table.ts';
import type { KnownTypes } from '../catalog/catalog.ts';
import { NO_TYPES } from '../catalog/type/held-type.ts';
import { keptIn } from '../core/kept-in.ts';
import { type SourceName, sameTable } from '../core/names.ts';
import type { QueryPlan, RemoteUse, RootField } from '../plan/plan.ts';
import { TypeUnknown } from '../sql/place/held-as-text.ts';
import type { Leaves } from '../sql/place/leaf.ts';
import { NO_GAPS } from '../sql/place/scope.ts';
import type { RootStatement } from '../sql/statement.ts';
import { type StatementRequest, toStatement } from '../sql/to-statement.ts';
import { FewKept } from './few-kept.ts';

/** Statements kept for one plan: with everything cached, and with a few mixtures while tables are copied again. */
const KEPT_STATEMENTS = 8;

/** The root fields of one source database: one statement. */
export class SourceGroup {
  readonly source: SourceName;
  readonly roots: readonly RootField[];
  readonly remotes: readonly RemoteUse[];
  readonly plan: QueryPlan;
  readonly stringifyNumbers: boolean;
  readonly #result: 'answer' | 'columns';
  readonly #statements = new FewKept<RootStatement>(KEPT_STATEMENTS);
  readonly #decided = new FewKept<boolean>(KEPT_STATEMENTS);

  constructor(
    plan: QueryPlan,
    source: SourceName,
    roots: readonly RootField[],
    how: { readonly result: 'answer' | 'columns'; readonly stringifyNumbers: boolean },
  ) {
    this.plan = plan;
    this.source = source;
    this.roots = roots;
    this.remotes = plan.remotes.filter((use) => use.source === source);
    this.#result = how.result;
    this.stringifyNumbers = how.stringifyNumbers;
  }

  /** How many cells hold JSON; clock and watermarks follow. */
  get jsonCells(): number {
    return this.#result === 'answer' ? 1 : this.roots.length;
  }

  /** The types that the source knows; needed only where something remote is read. */
  get known(): KnownTypes {
    return this.remotes[0]?.known ?? NO_TYPES;
  }

  /** Whether the source can evaluate all conditions of the plan on a target's rows, given the column types of these cache tables. */
  canDecide(target: SourceName, tables: readonly CacheTable[]): boolean {
    const key = tables.map(({ relation }) => relation).join(' ');
    return keptIn(this.#decided, key, () => this.#isDecided(target, tables));
  }

  #isDecided(target: SourceName, tables: readonly CacheTable[]): boolean {
    const leaves: Leaves = (table) => {
      const held = tables.find((one) => table.source === target && sameTable(one.table, table.ref));
      return held === undefined ? { kind: 'table' } : { kind: 'cache', ...held };
    };
    try {
      toStatement({ ...this.#request(), leaves, gaps: NO_GAPS, watermarks: [] });
      return true;
    } catch (error) {
      if (error instanceof TypeUnknown) return false;
      throw error;
    }
  }

  /** The statement for a set of leaves and gaps; `key` names the set. */
  statement(
    key: string,
    leaves: Leaves,
    watermarks: readonly SourceName[],
    gaps: ReadonlySet<number> = NO_GAPS,
  ): RootStatement {
    return keptIn(this.#statements, key, () => toStatement({ ...this.#request(), leaves, gaps, watermarks }));
  }

  #request(): Omit<StatementRequest, 'leaves' | 'gaps' | 'watermarks'> {
    return {
      source: this.source,
      roots: this.roots,
      result: this.#result,
      params: this.plan.params,
      known: this.known,
      stringifyNumbers: this.stringifyNumbers,
    };
  }
}
