import { must } from '../../core/assert.ts';
import { type SourceName, tableKey } from '../../core/names.ts';
import { unsupportedKind } from '../../metadata/document/unsupported.ts';
import type { Metadata, SourceMetadata, TableMetadata } from '../../metadata/model.ts';
import type { Table } from '../catalog.ts';
import type { Found, Introspections } from '../introspection.ts';
import type { NamedSource } from './conflicts.ts';
import type { FindTable } from './memo.ts';
import type { SourceNames } from './names.ts';
import type { Unavailable } from './relationship/remote-relationships.ts';

/** A source that is being resolved. */
export interface Draft extends NamedSource {
  readonly metadata: SourceMetadata;
  readonly found: Found;
  readonly names: SourceNames;
  readonly unavailable: string | null;
}

/** What is known of a source's database. */
export function foundOf(source: SourceMetadata, introspections: Introspections): Found {
  return introspections.get(source.name) ?? { unavailable: 'not connected yet' };
}

/** Which databases answer; those of other kinds never do. */
export function unavailableIn(
  drafts: readonly Draft[],
  { other_sources: others = [] }: Metadata,
): Unavailable {
  return new Map([
    ...drafts.map((draft) => [draft.name, draft.unavailable] as const),
    ...others.map(({ name, kind }) => [name, unsupportedKind(kind)] as const),
  ]);
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
