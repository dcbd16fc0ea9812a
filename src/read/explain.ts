import { NearjoinError } from '../core/errors.ts';
import { type SourceName, sameTable } from '../core/names.ts';
import type { PlanTable, RootField } from '../plan/plan.ts';
import { fillStatement } from '../sql/live/fill-gaps.ts';
import type { LeafColumn, Leaves } from '../sql/place/leaf.ts';
import { type Gap, placeOf } from '../sql/shape/gap.ts';
import { boundValues, type Statement } from '../sql/statement.ts';
import type { Databases } from './databases.ts';
import { readError } from './error-mapping.ts';
import type { RouteDetail } from './freshness.ts';
import type { GroupReader } from './group-reader.ts';
import { inOrder } from './in-order.ts';
import type { Foreseen, LeafChoice } from './leaf-choice.ts';
import { filteredThere } from './live/decidable.ts';
import { gapsOf } from './live/find-gaps.ts';
import { leafColumns } from './live/leaf-columns.ts';
import type { ReadRequest } from './read-request.ts';
import { SourceGroup } from './source-group.ts';
import type { WirePool } from './wire/pool.ts';

/** How one root field would be answered: Hasura's members, and where each target's rows would come from. */
export interface ExplainedRoot {
  readonly field: string;
  readonly sql: string | null;
  /** Lines of Postgres' own EXPLAIN. */
  readonly plan: readonly string[] | null;
  readonly targets: readonly ExplainedTarget[];
}

/** Where one target's rows would come from. */
export interface ExplainedTarget {
  readonly target: SourceName;
  readonly route: LeafChoice['route'];
  readonly reason: RouteDetail | 'cached';
  /** The statement that fills the gaps which the root field's own leaves to the target; null where it leaves none. */
  readonly sql: string | null;
  /** The target's own EXPLAIN of it; null also where the target does not answer. */
  readonly plan: readonly string[] | null;
}

type ExplainRequest = Omit<ReadRequest, 'introspection'>;

interface ExplainParts {
  readonly reader: GroupReader;
  readonly databases: Databases;
}

/** Explains every root field by itself. */
export function explainPlan(request: ExplainRequest, parts: ExplainParts): Promise<readonly ExplainedRoot[]> {
  return inOrder(request.compiled.plan.roots.map((root) => explainRoot(root, request, parts)));
}

async function explainRoot(
  root: RootField,
  request: ExplainRequest,
  parts: ExplainParts,
): Promise<ExplainedRoot> {
  const owner = request.compiled.groups.find((group) => group.roots.includes(root));
  if (owner === undefined || root.kind === 'constant' || root.kind === 'introspection') {
    return { field: root.key, sql: null, plan: null, targets: [] };
  }
  const { plan, source, stringifyNumbers } = owner;
  const group = new SourceGroup(plan, source, [root], { result: 'answer', stringifyNumbers });
  const { values, freshness, signal } = request;
  const targets = await parts.reader.foresee({ group: owner, values, freshness, signal });
  const gaps = openGaps(root, targets);
  const heldTypes = parts.reader.heldTypes(group);
  const leaves = explainedLeaves(root, targets, source, (table) => leafColumns(table, group, heldTypes));
  const cached = targets.flatMap(({ target, choice }) => (choice.route === 'cache' ? [target] : []));
  const open = new Set(gaps.map(({ field }) => placeOf(field).id));
  const statement = group.statement('explained', leaves, cached, open);
  const { databases } = parts;
  const explainAt = async (target: SourceName, fill: Statement): Promise<readonly string[]> => {
    try {
      return await planLines(databases.target(target), fill, request);
    } catch (error) {
      throw readError(error, target, 'target');
    }
  };
  try {
    return {
      field: root.key,
      sql: statement.text,
      plan: await planLines(databases.source(source), statement, request),
      targets: await withFillings(targets, gaps, group, explainAt),
    };
  } catch (error) {
    throw readError(error, source, 'source');
  }
}

/** Leaves as they would be chosen now; what would be fetched is shown as fetched rows, which their target has filtered where it can. */
function explainedLeaves(
  root: RootField,
  targets: readonly Foreseen[],
  source: SourceName,
  columnsOf: (table: PlanTable) => readonly LeafColumn[],
): Leaves {
  const filtered = filteredThere(root);
  return (table) => {
    if (table.source === source) return { kind: 'table' };
    const choice = targets.find(({ target }) => target === table.source)?.choice;
    const cache =
      choice?.route === 'cache' ? choice.tables.find((held) => sameTable(held.table, table.ref)) : undefined;
    if (cache !== undefined) return { kind: 'cache', relation: cache.relation, columns: cache.columns };
    const columns = columnsOf(table);
    return { kind: 'inline', place: table.id, columns, filtered: filtered.has(table.id) };
  };
}

/** The gaps that live targets would fill. */
function openGaps(root: RootField, targets: readonly Foreseen[]): readonly Gap[] {
  const live = new Set(targets.flatMap(({ target, choice }) => (choice.route === 'live' ? [target] : [])));
  return gapsOf([root], (place) => live.has(place.source)) ?? [];
}

/** For each target its route, and the statement that fills its gaps with the target's own plan for it. */
function withFillings(
  targets: readonly Foreseen[],
  gaps: readonly Gap[],
  { source, plan, stringifyNumbers }: SourceGroup,
  explain: (target: SourceName, statement: Statement) => Promise<readonly string[]>,
): Promise<readonly ExplainedTarget[]> {
  return inOrder(
    targets.map(async ({ target, choice }) => {
      const where = {
        target,
        route: choice.route,
        reason: choice.route === 'live' ? choice.detail : 'cached',
      } as const;
      const own = gaps.filter(({ field }) => placeOf(field).source === target);
      if (own.length === 0) return { ...where, sql: null, plan: null };
      const statement = fillStatement({ source, gaps: own, params: plan.params, stringifyNumbers });
      return { ...where, sql: statement.text, plan: await explain(target, statement).catch(nullIfDown) };
    }),
  );
}

/** While a target is down, the rest of an explanation is still worth having. */
function nullIfDown(error: unknown): null {
  if (error instanceof NearjoinError && error.code === 'target-unavailable') return null;
  throw error;
}

/** Lines of a database's EXPLAIN; lists of keys and rows, which only a run would find, are empty. */
async function planLines(
  pool: WirePool,
  statement: Statement,
  { values, signal }: ExplainRequest,
): Promise<readonly string[]> {
  const bound = boundValues(statement, values, () => '{}');
  const rows = await pool.run(`explain (format text) ${statement.text}`, bound, { signal, prepared: false });
  return rows.map((row) => row[0]?.toString('utf8') ?? '');
}
