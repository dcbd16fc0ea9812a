import { must } from '../core/assert.ts';
import type { SourceName } from '../core/names.ts';
import type { QueryPlan, RootField } from '../plan/plan.ts';
import { SourceGroup } from './source-group.ts';
import type { WireRow } from './wire/request.ts';

/** One piece of the answer's data, in the order of the request. */
export type Piece =
  | { readonly kind: 'cell'; readonly key: string; readonly group: number; readonly cell: number }
  | { readonly kind: 'constant'; readonly key: string; readonly json: string }
  | { readonly kind: 'introspection'; readonly key: string; readonly index: number };

/** A plan with everything about it that does not change from request to request. */
export interface CompiledPlan {
  readonly plan: QueryPlan;
  readonly groups: readonly SourceGroup[];
  /** Null when the only group's one cell is the whole answer. */
  readonly pieces: readonly Piece[] | null;
}

/** Sorts root fields by database and decides how the answer is put together. */
export function compilePlan(plan: QueryPlan, stringifyNumbers: boolean): CompiledPlan {
  const sources = [...new Set(plan.roots.flatMap((root) => sourceOf(root) ?? []))];
  const [only] = sources;
  if (
    sources.length === 1 &&
    only !== undefined &&
    !plan.roots.some((root, i) => root.kind === 'introspection' || root.key === plan.roots[i - 1]?.key)
  ) {
    const group = new SourceGroup(plan, only, plan.roots, { result: 'answer', stringifyNumbers });
    return { plan, groups: [group], pieces: null };
  }
  const groups = sources.map((source) => {
    const roots = plan.roots.filter((root) => sourceOf(root) === source);
    return new SourceGroup(plan, source, roots, { result: 'columns', stringifyNumbers });
  });
  return { plan, groups, pieces: plan.roots.map((root) => pieceOf(root, groups)) };
}

function pieceOf(root: RootField, groups: readonly SourceGroup[]): Piece {
  if (root.kind === 'introspection') return { kind: 'introspection', key: root.key, index: root.index };
  const group = groups.findIndex(({ roots }) => roots.includes(root));
  const cell = groups[group]?.roots.indexOf(root);
  if (cell !== undefined) return { kind: 'cell', key: root.key, group, cell };
  return { kind: 'constant', key: root.key, json: constantJson(root) };
}

function sourceOf(root: RootField): SourceName | null {
  if (root.kind === 'object') return root.fields.map(sourceOf).find((source) => source !== null) ?? null;
  if (root.kind === 'aggregate') return root.aggregate.rows.from.source;
  return 'select' in root ? root.select.from.source : null;
}

/** A root without a database: a constant, or a namespace of nothing but constants. */
function constantJson(root: RootField): string {
  if (root.kind === 'constant') return root.json;
  if (root.kind !== 'object') throw new Error(`bug: root field ${root.key} has no database`);
  return `{${root.fields.map((field) => `${JSON.stringify(field.key)}:${constantJson(field)}`).join(',')}}`;
}

/** Puts the answer together from the cells of every group; the whole answer of one group is not copied. */
export function assemble(
  compiled: CompiledPlan,
  cells: readonly WireRow[],
  introspection: readonly string[],
): Buffer {
  if (compiled.pieces === null) return must(cells[0]?.[0], 'answer of the only database');
  const parts: Buffer[] = [Buffer.from('{"data":{')];
  compiled.pieces.forEach((piece, i, all) => {
    const json = pieceJson(piece, cells, introspection);
    const [goesOn, isOver] = [piece.key === all[i - 1]?.key, piece.key !== all[i + 1]?.key];
    // Pieces with one key are parts of one list: the inner brackets are cut off.
    if (goesOn) parts.push(Buffer.from(','));
    else parts.push(Buffer.from(`${i === 0 ? '' : ','}${JSON.stringify(piece.key)}:`));
    parts.push(json.subarray(goesOn ? 1 : 0, isOver ? json.length : -1));
  });
  parts.push(Buffer.from('}}'));
  return Buffer.concat(parts);
}

function pieceJson(piece: Piece, cells: readonly WireRow[], introspection: readonly string[]): Buffer {
  switch (piece.kind) {
    case 'cell':
      return cells[piece.group]?.[piece.cell] ?? Buffer.from('null');
    case 'constant':
      return Buffer.from(piece.json);
    case 'introspection':
      return Buffer.from(introspection[piece.index] ?? 'null');
  }
}
