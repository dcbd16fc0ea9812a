import type { Connector, Publishable } from '../../../connectors/connector.ts';
import type { WantedIndexes } from '../../cache/table/ddl.ts';
import type { StoredColumn, StoredTable } from '../../cache/table/stored.ts';
import type { KnownTypes, WantedTable } from '../../catalog/catalog.ts';
import { heldType, namesObjects } from '../../catalog/type/held-type.ts';
import { type TableRef, tableKey } from '../../core/names.ts';
import type { TableShape } from '../../core/rows/table-shape.ts';

/** What the catalog wants of one feed; `unknown` while the target's tables cannot be read: then nothing changes. */
export type Wanted =
  | {
      readonly kind: 'tables';
      readonly tables: readonly WantedTable[];
      /** Tables that are not wanted, and whose copies stay as they are for now. */
      readonly lingering: readonly TableRef[];
    }
  | { readonly kind: 'unknown' };

/** Wants nothing. */
export const NOTHING: Wanted = { kind: 'tables', tables: [], lingering: [] };

/** Whether a feed is good for nothing any more. */
export function isNothing(wanted: Wanted): boolean {
  return wanted.kind === 'tables' && wanted.tables.length + wanted.lingering.length === 0;
}

/** A table to be cached, as it is on the target now, or why it cannot be. */
export type CheckedTable =
  | {
      readonly kind: 'cacheable';
      readonly table: TableRef;
      readonly columns: readonly StoredColumn[];
      readonly key: readonly string[];
      readonly indexes: WantedIndexes;
      readonly shape: TableShape;
    }
  | { readonly kind: 'refused'; readonly table: TableRef; readonly reason: string };

/** Asks the target about the tables the catalog wants, or about those there are while the catalog does not know. */
export async function checkWanted(
  connector: Connector,
  wanted: Wanted,
  stored: readonly StoredTable[],
  known: KnownTypes,
): Promise<readonly CheckedTable[]> {
  const asked = wanted.kind === 'tables' ? wanted.tables : [];
  const lingering = wanted.kind === 'tables' ? new Set(wanted.lingering.map(tableKey)) : null;
  const left = stored.filter(({ table }) => lingering === null || lingering.has(tableKey(table)));
  const tables = [...asked.map(({ table }) => table.ref), ...left.map(({ table }) => table)];
  const checked = await connector.check(tables);
  const found = new Map(checked.map((each) => [tableKey(each.table), each]));
  return [
    ...asked.map((each) => checkedOf(each, found.get(tableKey(each.table.ref)), known)),
    ...left.map((each) => unchanged(each, found.get(tableKey(each.table)))),
  ];
}

/** A table has 1,600 at most, and what is kept beside a copy meanwhile has four more than that. */
const MOST_COLUMNS = 1_596;
const TOO_MANY = 'it has more than 1,596 columns';

function checkedOf(
  { table, lookups }: WantedTable,
  checked: Publishable | undefined,
  known: KnownTypes,
): CheckedTable {
  if (checked === undefined || checked.kind === 'no') return refused(table.ref, checked);
  const streamed = new Set(checked.columns);
  const columns = table.columns
    .filter(({ name, type }) => streamed.has(name) && !namesObjects(type))
    .map(({ name, type }) => ({ name, type: heldType(type, known), oid: type.oid }));
  const unknown = checked.key.find((name) => !columns.some((column) => column.name === name));
  if (unknown !== undefined) {
    const what = table.columnByName.has(unknown)
      ? 'holds names of objects, which change without a word in the stream'
      : 'is not in the catalog yet';
    return { kind: 'refused', table: table.ref, reason: `its key column "${unknown}" ${what}` };
  }
  if (columns.length > MOST_COLUMNS) return { kind: 'refused', table: table.ref, reason: TOO_MANY };
  const { key, shape } = checked;
  const indexes = { lookups, mirrored: checked.indexes };
  return { kind: 'cacheable', table: table.ref, columns, key, indexes, shape };
}

function unchanged(stored: StoredTable, checked: Publishable | undefined): CheckedTable {
  if (checked === undefined || checked.kind === 'no') return refused(stored.table, checked);
  const gone = stored.columns.find(({ name }) => !checked.columns.includes(name));
  if (gone !== undefined)
    return { kind: 'refused', table: stored.table, reason: `its column "${gone.name}" is gone` };
  return {
    kind: 'cacheable',
    table: stored.table,
    columns: stored.columns,
    key: checked.key,
    indexes: { lookups: [], mirrored: checked.indexes },
    shape: checked.shape,
  };
}

function refused(
  table: TableRef,
  checked: (Publishable & { readonly kind: 'no' }) | undefined,
): CheckedTable {
  if (checked === undefined) return { kind: 'refused', table, reason: 'the target does not know it' };
  const fix = checked.fix === null ? '' : `; to allow it run: ${checked.fix}`;
  return { kind: 'refused', table, reason: checked.reason + fix };
}
