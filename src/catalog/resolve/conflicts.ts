import { printTable, type SourceName, tableKey } from '../../core/names.ts';
import type { InconsistentObject, Table } from '../catalog.ts';
import { typeNamesOf } from './names.ts';
import { inconsistency, Unresolvable } from './problems.ts';

/** A source while names are settled. */
export interface NamedSource {
  readonly name: SourceName;
  readonly namespace: string | null;
  readonly namespaceType: string | null;
  readonly subscriptionNamespaceType: string | null;
  readonly tables: Map<string, Table>;
}

/** GraphQL types that belong to everybody. */
const RESERVED: readonly string[] = [
  'query_root',
  'mutation_root',
  'subscription_root',
  'order_by',
  'freshness_fallback',
  'Int',
  'Float',
  'String',
  'Boolean',
  'ID',
];

/**
 * Takes out every table whose root fields or types another one, earlier in the metadata, already has.
 */
export function removeConflicts(sources: readonly NamedSource[], problems: InconsistentObject[]): void {
  const claims = new Claims(sources);
  for (const source of sources) {
    if (!claims.claimNamespace(source)) {
      source.tables.clear();
      const problem = new Unresolvable(`root field "${source.namespace}" is taken: choose another namespace`);
      problems.push(inconsistency({ kind: 'source', source: source.name }, problem));
    }
    for (const table of source.tables.values()) {
      const problem = claims.claim(source, table);
      if (problem === null) continue;
      source.tables.delete(tableKey(table.ref));
      problems.push(
        inconsistency({ kind: 'table', source: source.name, table: table.ref }, new Unresolvable(problem)),
      );
    }
  }
}

class Claims {
  readonly #fields = new Map<string, { readonly owner: string; readonly root: RootType }>();
  readonly #types = new Map<string, string>();

  constructor(sources: readonly NamedSource[]) {
    for (const name of [...RESERVED, ...scalarTypes(sources)]) this.#types.set(name, 'the scalars');
  }

  /** Two sources may not share a namespace. */
  claimNamespace(source: NamedSource): boolean {
    if (source.namespace === null) return true;
    const owner = `namespace of source ${source.name}`;
    const types = [source.namespaceType, source.subscriptionNamespaceType].filter((type) => type !== null);
    if (this.#fields.has(fieldKey(null, source.namespace)) || types.some((type) => this.#types.has(type)))
      return false;
    this.#fields.set(fieldKey(null, source.namespace), { owner, root: 'query_root' });
    for (const type of types) this.#types.set(type, owner);
    return true;
  }

  /** Why the table cannot have its names; null when it now has them. */
  claim(source: NamedSource, table: Table): string | null {
    const owner = `table ${printTable(table.ref)} in source ${source.name}`;
    const fields = rootFields(table);
    const clashes = [...fields].flatMap(([name, root]): readonly Clash[] => {
      const taken = this.#fields.get(fieldKey(source.namespace, name));
      if (taken === undefined) return [];
      // Streams are fields of subscriptions alone, where all others are fields too.
      const both = taken.root === 'query_root' ? root : taken.root;
      return [{ root: both, text: `'${name}' defined in [${taken.owner}, ${owner}]` }];
    });
    if (clashes.length > 0) return conflictMessage(clashes);
    const type = typeNamesOf(table).find((name) => this.#types.has(name));
    if (type !== undefined)
      return `type name "${type}" is taken by ${this.#types.get(type)}: choose a custom_name`;
    for (const [name, root] of fields) this.#fields.set(fieldKey(source.namespace, name), { owner, root });
    for (const name of typeNamesOf(table)) this.#types.set(name, owner);
    return null;
  }
}

type RootType = 'query_root' | 'subscription_root';

/** A field that two tables would define, in the root type where they meet. */
interface Clash {
  readonly root: RootType;
  readonly text: string;
}

function conflictMessage(clashes: readonly Clash[]): string {
  const inQueries = clashes.filter(({ root }) => root === 'query_root');
  const [root, told] = inQueries.length > 0 ? ['query_root', inQueries] : ['subscription_root', clashes];
  return (
    `Encountered conflicting definitions in the selection set for '${root}' for fields: [${told.map(({ text }) => text).join(', ')}]. ` +
    'Fields must not be defined more than once across all sources.'
  );
}

function fieldKey(namespace: string | null, name: string): string {
  return JSON.stringify([namespace, name]);
}

function rootFields(table: Table): ReadonlyMap<string, RootType> {
  const { select, selectByPk, selectAggregate, selectStream } = table.root;
  const byPk = table.primaryKey.length === 0 ? [] : [selectByPk];
  return new Map([
    [selectStream.name, 'subscription_root' as const],
    ...[select, ...byPk, selectAggregate].map(({ name }) => [name, 'query_root'] as const),
  ]);
}

function scalarTypes(sources: readonly NamedSource[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { tables } of sources) {
    for (const { columns, spelling, stream } of tables.values()) {
      names.add(stream.ordering);
      for (const { type } of columns) {
        names.add(type.scalar);
        for (const ending of ['_comparison_exp', '_array_comparison_exp', '_cast_exp'])
          names.add(spelling.type(type.scalar + ending));
      }
    }
  }
  return names;
}
