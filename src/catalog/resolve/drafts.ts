import { must } from '../../core/assert.ts';
import { type SourceName, tableKey } from '../../core/names.ts';
import type { SourceMetadata, TableMetadata } from '../../metadata/model.ts';
import type { Table } from '../catalog.ts';
import type { Found, Introspections } from '../introspection.ts';
import type { NamedSource } from './conflicts.ts';
import type { FindTable } from './memo.ts';
import type { SourceNames } from './names.ts';

/** A source that is being resolved. */
export interface Draft extends NamedSource {
  readonly metadata: SourceMetadata;
  readonly found: Found;
  readonly names: SourceNames;
  readonly unavailable: string | null;
}

const KINDS: ReadonlySet<string> = new Set(['postgres', 'pg', 'citus', 'cockroach', 'alloy']);

/** What is known of a source's database. */
export function foundOf(source: SourceMetadata, introspections: Introspections): Found {
  if (!KINDS.has(source.kind)) return { unavailable: `sources of kind "${source.kind}" are not supported` };
  return introspections.get(source.name) ?? { unavailable: 'not connected yet' };
}

/** Tables by source and `tableKey`. */
export type Tables = ReadonlyMap<SourceName, ReadonlyMap<string, Table>>;

/** Applies a step to every tracked table that is still there. */
export function eachTable(
  tables: Tables,
  drafts: readonly Draft[],
  step: (draft: Draft, table: Table, tracked: TableMetadata) => Table,
): Tables {
  return new Map(
    drafts.map((draft) => {
      const now = new Map(must(tables.get(draft.name), 'tables of a source'));
      for (const tracked of draft.metadata.tables) {
        const key = tableKey(tracked.table);
        const table = now.get(key);
        if (table !== undefined) now.set(key, step(draft, table, tracked));
      }
      return [draft.name, now];
    }),
  );
}

/** Finds tables among them. */
export function finderIn(tables: Tables): FindTable {
  return (source, table) => tables.get(source)?.get(tableKey(table));
}

/** Finds native queries too: relationships can lead to them as if they were tables. */
export function finderWithQueries(tables: Tables, drafts: readonly Draft[]): FindTable {
  const find = finderIn(tables);
  const queries = new Map(drafts.map((draft) => [draft.name, draft.queries]));
  return (source, table) => find(source, table) ?? queries.get(source)?.get(tableKey(table))?.table;
}
