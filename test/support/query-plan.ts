/** One scan of a plan that was run: what it read in all its loops, rows that a filter threw away included. */
export interface Scan {
  readonly node: string;
  readonly relation: string;
  readonly rows: number;
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** The scans of tables in the JSON of `explain (analyze, format json)`. */
export function scansOf(plan: PlanNode): readonly Scan[] {
  const below = (plan.Plans ?? []).flatMap(scansOf);
  const relation = plan['Relation Name'];
  if (relation === undefined) return below;
  const removed = (plan['Rows Removed by Filter'] ?? 0) + (plan['Rows Removed by Index Recheck'] ?? 0);
  const rows = Math.round((plan['Actual Rows'] + removed) * plan['Actual Loops']);
  return [{ node: plan['Node Type'], relation, rows }, ...below];
}

/** Rows that all scans read together. */
export function rowsRead(scans: readonly Scan[]): number {
  return scans.reduce((sum, { rows }) => sum + rows, 0);
}
