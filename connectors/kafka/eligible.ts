import { tableKey } from '../../src/core/names.ts';
import { ConnectorError, type Publishable } from '../connector.ts';
import type { Captured, TableLayout } from './layout.ts';

/** Which tables can be followed through Debezium, and the layouts of those that can. */
export interface Eligible {
  readonly judged: readonly Publishable[];
  readonly layouts: ReadonlyMap<string, TableLayout>;
}

/** With these in a name, `schema.table` could be another table's. */
const AMBIGUOUS = /[."]/;

/** Debezium's name for a table, by which it counts changes and names topics. */
export function collectionOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${schema}.${name}`;
}

/** Debezium's name for a table's topic; it replaces characters that Kafka does not allow. */
export function topicOf(prefix: string, collection: string): string {
  return `${prefix}.${collection}`.replace(/[^A-Za-z0-9._-]/g, '_');
}

/** Of the tables that a slot could follow, those that Debezium publishes and whose values it tells without loss. */
export function eligible(judged: readonly Publishable[], captured: Captured): Eligible {
  const { publication } = captured;
  if (!captured.exists)
    throw unfit(`the target has no publication ${publication}, which Debezium would read`);
  if (!captured.isWhole)
    throw unfit(
      `the publication ${publication} leaves changes out; run: alter publication "${publication}" set (publish = 'insert, update, delete, truncate')`,
    );
  const layouts = new Map<string, TableLayout>();
  const again = judged.map((each, at): Publishable => {
    const found = captured.tables[at];
    if (each.kind === 'no' || found === undefined) return each;
    const reason = refusal(each, found, captured);
    if (reason !== null) return { kind: 'no', table: each.table, ...reason };
    const layout = layoutOf(each, found);
    layouts.set(tableKey(each.table), layout);
    const carried = new Set(layout.columns.map(({ name }) => name));
    return { ...each, columns: each.columns.filter((name) => carried.has(name)) };
  });
  return { judged: again, layouts };
}

type Found = Captured['tables'][number];
type Yes = Publishable & { readonly kind: 'yes' };

function refusal(
  { table, key }: Yes,
  found: Found,
  { publication, isViaRoot }: Captured,
): { readonly reason: string; readonly fix: string | null } | null {
  if (AMBIGUOUS.test(table.schema) || AMBIGUOUS.test(table.name))
    return { reason: 'Debezium does not tell names with points or quotes apart', fix: null };
  if (!found.isPublished)
    return { reason: `it is not in the publication ${publication}, or filtered there`, fix: null };
  if (found.isPartitioned && !isViaRoot) {
    const reason = `the publication ${publication} tells of its partitions, not of the table`;
    return { reason, fix: `alter publication "${publication}" set (publish_via_partition_root = true);` };
  }
  const lost = found.columns.find(({ name, kind }) => kind === null && key.includes(name));
  if (lost === undefined) return null;
  return { reason: `Debezium loses values of the type of its key column ${lost.name}`, fix: null };
}

/** Columns that are not sent, such as generated ones, are left out. */
function layoutOf({ table, key, columns }: Yes, { oid, columns: found }: Found): TableLayout {
  const sent = new Set(columns);
  return {
    table,
    oid,
    columns: found.flatMap(({ kind, ...column }) =>
      kind === null || !sent.has(column.name) ? [] : [{ ...column, kind, isKey: key.includes(column.name) }],
    ),
  };
}

function unfit(what: string): ConnectorError {
  return new ConnectorError('unfit', what);
}
