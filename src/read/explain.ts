import type { SourceName } from '../core/names.ts';
import type { StopSignal } from '../core/stop-signal.ts';
import type { QueryPlan, RootField } from '../plan/plan.ts';
import { placeOf } from '../sql/gap.ts';
import { toStatement } from '../sql/to-statement.ts';
import type { LeafChoice } from './choose-leaves.ts';
import { type CompiledPlan, SourceGroup } from './compiled-plan.ts';
import type { Databases } from './databases.ts';
import { readError } from './error-mapping.ts';
import { explainedLeaves } from './explained-leaves.ts';
import type { FreshnessRequest } from './freshness.ts';
import type { GroupReader } from './group-reader.ts';
import { gapsOf } from './live/handed-over.ts';
import { leafColumns } from './live/leaf-columns.ts';
import type { ReadSettings } from './settings.ts';

/** How one root field would be answered. */
export interface ExplainedRoot {
  readonly field: string;
  readonly sql: string | null;
  /** Lines of Postgres' own EXPLAIN. */
  readonly plan: readonly string[] | null;
  readonly targets: readonly { readonly target: SourceName; readonly choice: LeafChoice }[];
}

interface ExplainRequest {
  readonly plan: CompiledPlan;
  readonly values: readonly (string | null)[];
  readonly freshness: FreshnessRequest;
  readonly signal: StopSignal;
}

interface ExplainParts {
  readonly reader: GroupReader;
  readonly databases: Databases;
  readonly settings: ReadSettings;
}

/** Explains every root field by itself. */
export function explainPlan(request: ExplainRequest, parts: ExplainParts): Promise<readonly ExplainedRoot[]> {
  const { plan } = request.plan;
  return Promise.all(plan.roots.map((root) => explainRoot(root, plan, request, parts)));
}

/** What live targets would write themselves. */
function openGaps(root: RootField, targets: ExplainedRoot['targets']): ReadonlySet<number> {
  const live = new Set(targets.flatMap(({ target, choice }) => (choice.route === 'live' ? [target] : [])));
  const gaps = gapsOf([root], (place) => live.has(place.source));
  return new Set(gaps?.map(({ field }) => placeOf(field).id));
}

async function explainRoot(
  root: RootField,
  plan: QueryPlan,
  request: ExplainRequest,
  parts: ExplainParts,
): Promise<ExplainedRoot> {
  const owner = request.plan.groups.find((group) => group.roots.includes(root));
  if (owner === undefined || root.kind === 'constant' || root.kind === 'introspection') {
    return { field: root.key, sql: null, plan: null, targets: [] };
  }
  const { source, stringifyNumbers } = owner;
  const group = new SourceGroup(plan, source, [root], { result: 'answer', stringifyNumbers });
  const { values, freshness, signal } = request;
  const targets = await parts.reader.foresee({ group, values, freshness, signal });
  const heldTypes = parts.reader.heldTypes(group);
  const leaves = explainedLeaves(targets, source, (table) => leafColumns(table, group, heldTypes));
  const statement = toStatement({
    source,
    roots: [root],
    result: 'answer',
    params: plan.params,
    leaves,
    gaps: openGaps(root, targets),
    stringifyNumbers,
    watermarks: targets.flatMap(({ target, choice }) => (choice.route === 'cache' ? [target] : [])),
  });
  const bound = statement.parameters.map((slot) =>
    slot.kind === 'plan' ? (values[slot.index] ?? null) : '{}',
  );
  try {
    const rows = await parts.databases
      .source(source)
      .run(`explain (format text) ${statement.text}`, bound, { signal, prepared: false });
    return {
      field: root.key,
      sql: statement.text,
      plan: rows.map((row) => row[0]?.toString('utf8') ?? ''),
      targets,
    };
  } catch (error) {
    throw readError(error, source, 'source');
  }
}
