import type { InconsistentObject } from '../../core/inconsistent-object.ts';
import { keptIn } from '../../core/kept-in.ts';
import type { SourceName } from '../../core/names.ts';
import { givenSlots } from '../call/function-arguments.ts';
import type { Namespace, Table } from '../catalog.ts';
import type { Spelling } from '../part/spelling.ts';
import type { NamedFunction } from './call/functions.ts';
import { hasOwnType, type NamedQuery } from './call/native-queries.ts';
import { isSame } from './memo.ts';
import { typeNamesOf } from './names.ts';
import { inconsistency, nameOf, type Subject, Unresolvable } from './problems.ts';

/** A source whose names may still clash with others. */
export interface NamedSource extends Namespace {
  readonly name: SourceName;
  readonly tables: Map<string, Table>;
  readonly functions: Map<string, NamedFunction>;
  readonly queries: Map<string, NamedQuery>;
}

/** GraphQL types that no table may be called. */
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

/** Begins the message about root fields that two have; a command that brings it about is refused with these words alone. */
export const CONFLICTING = 'Encountered conflicting definitions';

/** Named in messages as the owner of the types that all tables share. */
export const SCALARS = 'the scalars';

/** What has fields and types of its own in the schema. */
type Owner = Table | NamedFunction | NamedQuery;

/** Decides who gets a name in the schema that several ask for. */
export class Conflicts {
  readonly #names = new WeakMap<Owner, OwnNames>();
  #settled: Settled = { asked: [], lost: new Set(), told: [], types: new Map() };

  /** Removes every table, function and native query whose root fields or types are taken. Tables come first, then the order of metadata. */
  remove(sources: readonly NamedSource[], problems: InconsistentObject[]): void {
    const asked = sources.flatMap((source) => [
      source.name,
      source.namespace,
      source.namespaceType,
      source.subscriptionNamespaceType,
      ...source.tables.values(),
      ...source.functions.values(),
      ...source.queries.values(),
    ]);
    if (!isSame(this.#settled.asked, asked)) this.#settled = { asked, ...this.#settle(sources) };
    const { lost, told } = this.#settled;
    problems.push(...told);
    for (const { tables, functions, queries } of sources) {
      for (const [key, query] of queries) if (lost.has(query)) queries.delete(key);
      for (const [key, table] of tables) if (lost.has(table)) tables.delete(key);
      for (const [key, named] of functions) if (lost.has(named)) functions.delete(key);
    }
  }

  /** The owner of each type, after `remove`. The map is the caller's own. */
  takenTypes(): Map<string, string> {
    return new Map(this.#settled.types);
  }

  #settle(sources: readonly NamedSource[]): Omit<Settled, 'asked'> {
    const claims = new Claims(this.#scalarTypes(sources));
    const lost = new Set<Owner>();
    const told: InconsistentObject[] = [];
    for (const source of sources) {
      const hasNamespace = claims.claimNamespace(source);
      if (!hasNamespace) {
        const problem = new Unresolvable(
          `root field "${source.namespace}" is taken: choose another namespace`,
        );
        told.push(inconsistency({ kind: 'source', source: source.name }, problem));
      }
      for (const owner of ownersIn(source)) {
        const subject = subjectOf(owner);
        const problem = hasNamespace ? claims.claim(source, subject, this.#namesOf(owner)) : null;
        if (problem === null && hasNamespace) continue;
        lost.add(owner);
        if (problem !== null)
          told.push(inconsistency(subject, new Unresolvable(problem, { located: false })));
      }
    }
    return { lost, told, types: claims.types };
  }

  #namesOf(owner: Owner): OwnNames {
    return keptIn(this.#names, owner, () => namesOf(owner));
  }

  #scalarTypes(sources: readonly NamedSource[]): ReadonlySet<string> {
    const names = new Set<string>();
    for (const source of sources)
      for (const owner of ownersIn(source)) for (const name of this.#namesOf(owner).scalars) names.add(name);
    return names;
  }
}

/** The last decision, and who asked: the same ones get the same names. */
interface Settled {
  readonly asked: readonly unknown[];
  readonly lost: ReadonlySet<Owner>;
  readonly told: readonly InconsistentObject[];
  readonly types: ReadonlyMap<string, string>;
}

/** What an owner calls its fields and types. */
interface OwnNames {
  readonly fields: ReadonlySet<string>;
  readonly types: readonly string[];
  /** Types made from the types of its columns or arguments; all tables share these. */
  readonly scalars: ReadonlySet<string>;
  /** Types that it shares with some others, and their owner. */
  readonly shared?: readonly (readonly [type: string, owner: string])[];
}

class Claims {
  readonly #fields = new Map<string, string>();
  readonly #types = new Map<string, string>();

  constructor(scalars: ReadonlySet<string>) {
    for (const name of [...RESERVED, ...scalars]) this.#types.set(name, SCALARS);
  }

  get types(): ReadonlyMap<string, string> {
    return this.#types;
  }

  /** Two sources may not share a namespace. */
  claimNamespace(source: NamedSource): boolean {
    if (source.namespace === null) return true;
    const owner = `namespace of source ${source.name}`;
    const types = [source.namespaceType, source.subscriptionNamespaceType].filter((type) => type !== null);
    if (this.#fields.has(fieldKey(null, source.namespace)) || types.some((type) => this.#types.has(type)))
      return false;
    this.#fields.set(fieldKey(null, source.namespace), owner);
    for (const type of types) this.#types.set(type, owner);
    return true;
  }

  /** Why something cannot have its names; null when it now has them. */
  claim(source: NamedSource, subject: Claimant, { fields, types, shared }: OwnNames): string | null {
    const owner = nameOf(subject);
    const clashes = [...fields].flatMap((name) => {
      const taken = this.#fields.get(fieldKey(source.namespace, name));
      return taken === undefined ? [] : [`'${name}' defined in [${taken}, ${owner}]`];
    });
    if (clashes.length > 0) return conflictMessage(clashes);
    const owned = [...types.map((name) => [name, owner] as const), ...(shared ?? [])];
    const clash = owned.find(([name, whose]) => (this.#types.get(name) ?? whose) !== whose);
    if (clash !== undefined)
      return `type name "${clash[0]}" is taken by ${this.#types.get(clash[0])}: choose a custom_name`;
    for (const name of fields) this.#fields.set(fieldKey(source.namespace, name), owner);
    for (const [name, whose] of owned) this.#types.set(name, whose);
    return null;
  }
}

type Claimant = Extract<Subject, { readonly kind: 'table' | 'function' | 'native_query' }>;

function ownersIn({ tables, functions, queries }: NamedSource): readonly Owner[] {
  return [...tables.values(), ...functions.values(), ...queries.values()];
}

function subjectOf(owner: Owner): Claimant {
  if ('entry' in owner) return { kind: 'native_query', source: owner.source, entry: owner.entry };
  const { source, ref } = owner;
  return 'returns' in owner
    ? { kind: 'function', source, function: ref }
    : { kind: 'table', source, table: ref };
}

/** Subscriptions have all root fields, streams among them, so that is where any two clash. */
function conflictMessage(clashes: readonly string[]): string {
  const fields = clashes.length === 1 ? `field ${clashes.join()}` : `fields: [${clashes.join(', ')}]`;
  return (
    `${CONFLICTING} in the selection set for 'subscription_root' for ${fields}. ` +
    'Fields must not be defined more than once across all sources.'
  );
}

function fieldKey(namespace: string | null, name: string): string {
  return JSON.stringify([namespace, name]);
}

function namesOf(owner: Owner): OwnNames {
  if ('entry' in owner) return namesOfQuery(owner);
  return 'returns' in owner ? namesOfFunction(owner) : namesOfTable(owner);
}

function namesOfQuery({ root, entry, table, model }: NamedQuery): OwnNames {
  const { signature, argsType } = table.query;
  const given = givenSlots(signature).map(({ type }) => type.scalar);
  return {
    fields: new Set([root.name]),
    types: [...(given.length === 0 ? [] : [argsType]), ...(hasOwnType(entry) ? [table.typeName] : [])],
    scalars: new Set([...given, ...scalarTypes(table)]),
    shared: model.types.map((type) => [type, model.owner]),
  };
}

function namesOfTable(table: Table): OwnNames {
  return { fields: rootFields(table), types: typeNamesOf(table), scalars: scalarTypes(table) };
}

/** A mutation is not in the schema, so it needs no names. */
function namesOfFunction({ exposedAs, root, signature, argsType }: NamedFunction): OwnNames {
  const given = givenSlots(signature);
  if (exposedAs === 'mutation') return { fields: new Set(), types: [], scalars: new Set() };
  return {
    fields: new Set([root.rows, root.aggregate].map(({ name }) => name)),
    types: given.length === 0 ? [] : [argsType],
    scalars: new Set(given.map(({ type }) => type.scalar)),
  };
}

function rootFields(table: Table): ReadonlySet<string> {
  const { select, selectByPk, selectAggregate, selectStream } = table.root;
  const byPk = table.primaryKey.length === 0 ? [] : [selectByPk];
  return new Set([selectStream, select, ...byPk, selectAggregate].map(({ name }) => name));
}

function scalarTypes({ columns, spelling, stream }: Table): ReadonlySet<string> {
  const scalars = new Set(columns.map(({ type }) => type.scalar));
  const compared = [...scalars].flatMap((scalar) => comparedTypes(scalar, spelling));
  return new Set([stream.ordering, spelling.type('order_by'), ...compared]);
}

/** A scalar, and the input types by which its values are compared. */
export function comparedTypes(scalar: string, spelling: Spelling): readonly string[] {
  const endings = ['_comparison_exp', '_array_comparison_exp', '_cast_exp'];
  return [scalar, ...endings.map((ending) => spelling.type(scalar + ending))];
}
