import type { Change, Relation, StreamItem } from '../../core/rows/change.ts';
import { PassingRow } from '../../core/rows/passing-row.ts';
import type { Row } from '../../core/rows/row.ts';
import { TableBroken } from '../interruptions.ts';
import { TableNet, Unnamed } from './net.ts';
import type { Bound, Sink, Sinks } from './sink.ts';

/** A change whose new row is too large to be held. */
export type PassingChange = Change & { readonly kind: 'insert' | 'update'; readonly after: PassingRow };

/** Such a change, and where it goes. */
export interface Passing {
  readonly change: PassingChange;
  readonly bound: readonly Bound[];
  readonly sinks: Sinks;
}

/** The net effect of a run of stream items. */
export interface FoldedBatch {
  /** In the order of their first change. */
  readonly tables: ReadonlyMap<Sink, TableNet>;
  readonly transactions: number;
  readonly changes: number;
  /** What is written behind the tables, while it comes. */
  readonly passing: Passing | null;
}

/** Folds changes into the last write per key. Throws TableBroken when a table is no longer what was copied. */
export function fold(items: readonly StreamItem[], sinks: Sinks): FoldedBatch {
  const folding: Folding = { sinks, tables: new Map(), passing: null };
  let transactions = 0;
  let changes = 0;
  for (const item of items) {
    if (item.kind === 'commit') transactions += 1;
    else if (item.kind !== 'begin' && item.kind !== 'progress' && foldChange(item, folding)) changes += 1;
  }
  return { tables: folding.tables, transactions, changes, passing: folding.passing };
}

interface Folding {
  readonly sinks: Sinks;
  readonly tables: Map<Sink, TableNet>;
  passing: Passing | null;
}

function foldChange(change: Change, folding: Folding): boolean {
  // Nothing behind it was read yet.
  if (isPassing(change)) {
    const bound = folding.sinks.bind(change.relation);
    if (bound.length === 0) change.after.discard();
    else folding.passing = { change, bound, sinks: folding.sinks };
    return bound.length > 0;
  }
  switch (change.kind) {
    case 'truncate':
      return change.relations.map((each) => keeping(each, folding, (net) => net.clear())).includes(true);
    case 'insert':
      return keeping(change.relation, folding, (net, view) => net.insert(view(change.after)));
    case 'delete':
      return keeping(change.relation, folding, (net, view) => net.remove(view(change.before)));
    case 'update':
      return keeping(change.relation, folding, (net, view) => {
        const { before, after } = change;
        net.update(before === null ? null : view(before), view(after));
      });
  }
}

function keeping(
  relation: Relation,
  { sinks, tables }: Folding,
  use: (net: TableNet, view: (row: Row) => Row) => void,
): boolean {
  const bound = sinks.bind(relation);
  for (const { sink, view } of bound) {
    let net = tables.get(sink);
    if (net === undefined) {
      net = new TableNet(sink.keys);
      tables.set(sink, net);
    }
    try {
      use(net, view);
    } catch (error) {
      throw error instanceof Unnamed ? new TableBroken(sink.stored, UNNAMED) : error;
    }
  }
  return bound.length > 0;
}

/** The stream names the identity of the whole table, and a partition may have another until the tables are looked at. */
export const UNNAMED = 'a change of it does not name its row: a partition has had another replica identity';

/** Whether its new row is one that passes. */
export function isPassing(change: Change): change is PassingChange {
  return 'after' in change && change.after instanceof PassingRow;
}
