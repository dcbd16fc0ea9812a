import { must } from '../../core/assert.ts';
import { printTable, type SourceName, type TableRef, tableKey } from '../../core/names.ts';
import type { CacheWarning, Relationship, RemoteOptions, Source, Table, WantedTable } from '../catalog.ts';
import { type Introspections, isAvailable } from '../introspection.ts';
import { feedObstacle, mappingObstacle, tableObstacle } from './cacheable.ts';
import type { Memo } from './memo.ts';
import { type RuleTable, tablesOfRule } from './rule/rule-tables.ts';

/** What each database should hold of the others, and what it cannot. */
export interface CachePlan {
  readonly wanted: readonly WantedTable[];
  readonly warnings: readonly CacheWarning[];
}

type Follow = RemoteOptions['follow'];
type Step = {
  readonly source: SourceName;
  readonly table: TableRef;
  readonly follow: Follow;
  readonly lookup: readonly string[];
};

const STRENGTH: Readonly<Record<Follow, number>> = { none: 0, object: 1, all: 2 };

/**
 * For every source: the remote tables that its own tables lead to, the tables behind those as far as `follow` says, and all tables
 * that row rules of these read. A table of the source itself is never copied, even if a path leads back to it through another
 * database. A table that cannot be copied is wanted all the same: its feed reports why, and copies it once that changes. The warning
 * says the same to those who look at metadata.
 */
export function planCaches(
  sources: ReadonlyMap<SourceName, Source>,
  introspections: Introspections,
  ruled: Memo<Table, readonly RuleTable[]>,
): CachePlan {
  const wanted: WantedTable[] = [];
  const warnings: CacheWarning[] = [];
  for (const source of sources.values()) {
    for (const copy of new Closure(source, sources, ruled).copies()) {
      const obstacle = obstacleOf(source.name, copy, { sources, introspections });
      wanted.push({ source: source.name, ...copy });
      if (obstacle !== null) warnings.push(warningOf(source.name, copy, obstacle));
    }
  }
  return { wanted, warnings };
}

type Copy = Omit<WantedTable, 'source'>;

interface Reached {
  readonly table: Table;
  readonly follow: Follow;
  readonly lookups: Map<string, readonly string[]>;
  /** Why it cannot be looked up by a mapping that leads to it. */
  readonly mapping: string | null;
}

class Closure {
  readonly #source: Source;
  readonly #sources: ReadonlyMap<SourceName, Source>;
  readonly #rules: Memo<Table, readonly RuleTable[]>;
  readonly #reached = new Map<string, Reached>();

  constructor(
    source: Source,
    sources: ReadonlyMap<SourceName, Source>,
    rules: Memo<Table, readonly RuleTable[]>,
  ) {
    this.#source = source;
    this.#sources = sources;
    this.#rules = rules;
  }

  copies(): readonly Copy[] {
    const pending: Step[] = [];
    for (const table of [...this.#source.tables.values(), ...this.#source.queries.values()]) {
      for (const relationship of table.relationships.values()) {
        if (relationship.remote?.cache === true)
          pending.push(...this.#enter(relationship, relationship.remote.follow));
      }
      pending.push(...this.#ruled(table));
    }
    for (let step = pending.pop(); step !== undefined; step = pending.pop())
      pending.push(...this.#visit(step));
    return [...this.#reached.values()].map(({ table, lookups, mapping }) => {
      return { target: table.source, table, lookups: [...lookups.values()], mapping };
    });
  }

  #enter(relationship: Relationship, follow: Follow): readonly Step[] {
    if (relationship.source === this.#source.name) return [];
    const lookup = relationship.on.map((pair) => pair.right.name);
    return [{ source: relationship.source, table: relationship.table, follow, lookup }];
  }

  /** The tables that a table's row rules read. If they were not cached too, each query of such a role would go live. */
  #ruled(table: Table): readonly Step[] {
    const basis = { inputs: [], find: (source: SourceName, ref: TableRef) => this.#tableAt(source, ref) };
    const read = this.#rules.take(table, basis, (find) =>
      [...table.permissions.values()].flatMap((one) =>
        one === null ? [] : [...tablesOfRule(one.filter, table, find)],
      ),
    );
    return read
      .filter(({ source }) => source !== this.#source.name)
      .map(({ source, table: ref, lookup }) => ({ source, table: ref, follow: 'none' as const, lookup }));
  }

  #tableAt(source: SourceName, ref: TableRef): Table | undefined {
    return this.#sources.get(source)?.tables.get(tableKey(ref));
  }

  /** A table that is reached again with a stronger `follow` is visited again. */
  #visit(step: Step): readonly Step[] {
    const key = JSON.stringify([step.source, tableKey(step.table)]);
    const table = this.#tableAt(step.source, step.table);
    if (table === undefined) return [];
    const known = this.#reached.get(key);
    const lookups = known?.lookups ?? new Map<string, readonly string[]>();
    addLookup(lookups, table, step.lookup);
    const mapping = known?.mapping ?? mappingObstacle(table, step.lookup);
    const isWeaker = known !== undefined && STRENGTH[known.follow] >= STRENGTH[step.follow];
    this.#reached.set(key, { table, follow: isWeaker ? known.follow : step.follow, lookups, mapping });
    if (isWeaker) return [];
    const followed = this.#followed(table, step.follow, lookups);
    return known === undefined ? [...followed, ...this.#ruled(table)] : followed;
  }

  /** Relationships that are cached with a reached table. */
  #followed(table: Table, follow: Follow, lookups: Reached['lookups']): readonly Step[] {
    return [...table.relationships.values()]
      .filter((relationship) => follows(follow, relationship))
      .flatMap((relationship) => {
        const left = relationship.on.map((pair) => pair.left.name);
        addLookup(lookups, table, left);
        return this.#enter(relationship, relationship.remote?.follow ?? follow);
      });
  }
}

function follows(follow: Follow, { kind, remote }: Relationship): boolean {
  return remote?.cache !== false && (follow === 'all' || (follow === 'object' && kind === 'object'));
}

/** Rows are not looked up by what the cache cannot hold, such as a generated column. */
function addLookup(lookups: Map<string, readonly string[]>, table: Table, columns: readonly string[]): void {
  if (columns.length === 0 || mappingObstacle(table, columns) !== null) return;
  const sorted = [...new Set(columns)].sort();
  lookups.set(JSON.stringify(sorted), lookups.get(JSON.stringify(sorted)) ?? [...new Set(columns)]);
}

interface Known {
  readonly sources: ReadonlyMap<SourceName, Source>;
  readonly introspections: Introspections;
}

function obstacleOf(source: SourceName, copy: Copy, { sources, introspections }: Known): string | null {
  const here = must(introspections.get(source), 'introspection of the source');
  const there = must(introspections.get(copy.target), 'introspection of the target');
  if (!isAvailable(here) || !isAvailable(there)) return 'the database is unavailable';
  // With Kafka, Debezium owns the publication.
  const publishes = (sources.get(copy.target)?.kafka ?? null) === null;
  return feedObstacle(here, there, publishes) ?? tableObstacle(copy.table, there, publishes) ?? copy.mapping;
}

function warningOf(source: SourceName, copy: Copy, obstacle: string): CacheWarning {
  const { ref } = copy.table;
  const name = `cache of table ${printTable(ref)} of source ${copy.target} in source ${source}`;
  return {
    type: 'warning',
    name,
    reason: `Not cached, answered live: ${obstacle}`,
    definition: { source, target: copy.target, table: ref },
    source,
    target: copy.target,
    table: ref,
  };
}
