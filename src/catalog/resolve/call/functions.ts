import type { InconsistentObject } from '../../../core/inconsistent-object.ts';
import { keptIn } from '../../../core/kept-in.ts';
import { printTable, type SourceName, type TableRef, tableKey } from '../../../core/names.ts';
import type { FunctionMetadata } from '../../../metadata/model.ts';
import { signatureOf } from '../../call/function-arguments.ts';
import { looseRows } from '../../call/loose-rows.ts';
import type { RootName, Table, TrackedFunction } from '../../catalog.ts';
import type { FoundFunction, FunctionRef } from '../../introspect/found-functions.ts';
import type { Introspection } from '../../introspection.ts';
import { HASURA_DEFAULT } from '../../part/spelling.ts';
import { descriptionOf, isGraphqlName, requireGraphqlName, type SourceNames } from '../names.ts';
import { attempt, Unresolvable } from '../problems.ts';
import type { TableScope } from '../tables.ts';

/** A tracked function before its table is known. */
export interface NamedFunction extends Omit<TrackedFunction, 'rows'> {
  readonly root: RootNames;
}

interface RootNames {
  readonly rows: RootName;
  readonly aggregate: RootName;
}

/** A tracked function with its names and arguments, null when something is wrong with it. */
export function resolveFunction(
  source: SourceName,
  tracked: FunctionMetadata,
  { found, names, infersPermissions }: FunctionScope,
  problems: InconsistentObject[],
): NamedFunction | null {
  const { function: ref } = tracked;
  return attempt({ kind: 'function', source, function: ref }, problems, () => {
    const real = onlyFunction(ref, found);
    const returns = checked(real, tracked, printTable(ref));
    const roles = infersPermissions ? null : new Set((tracked.permissions ?? []).map(({ role }) => role));
    return {
      source,
      ref,
      returns,
      set: real.returns.set,
      exposedAs: exposure(real, tracked),
      root: checkedRoots(rootNames(tracked, returns, names)),
      signature: signatureOf(real, { row: null, session: sessionPlace(real, tracked) }),
      argsType: names.type(names.spelling.field(`${givenName(tracked)}_args`)),
      roles,
    };
  });
}

/** The function of that name; refuses an unknown name and an overloaded one. */
export function onlyFunction(ref: FunctionRef, { functions }: Introspection): FoundFunction {
  const [found, ...others] = functions.get(tableKey(ref)) ?? [];
  if (found === undefined) throw new Unresolvable(`no such function exists: "${printTable(ref)}"`);
  if (others.length === 0) return found;
  throw new Unresolvable(
    `function "${printTable(ref)}" is overloaded. Overloaded functions are not supported`,
  );
}

/** What resolving a function takes beside its metadata. */
export interface FunctionScope extends TableScope {
  readonly infersPermissions: boolean;
}

/** As in Hasura, everything that is wrong with the function is reported at once. */
function checked(real: FoundFunction, tracked: FunctionMetadata, printed: string): TableRef {
  const problems = [...problemsOf(real, tracked)];
  const { table } = real.returns;
  if (problems.length === 0 && table !== null) return table;
  const [first = ''] = problems;
  const why =
    problems.length === 1
      ? `because ${first}`
      : `for the following reasons:\n${problems.map((problem) => ` • ${problem}\n`).join('')}`;
  throw new Unresolvable(`the function "${printed}" cannot be tracked ${why}`);
}

function* problemsOf(real: FoundFunction, tracked: FunctionMetadata): Generator<string> {
  if (!isGraphqlName(givenName(tracked))) yield 'function name is not a legal GraphQL identifier';
  if (real.variadic) yield 'function with "VARIADIC" parameters are not supported';
  if (real.returns.type.kind !== 'composite') yield 'the function does not return a "COMPOSITE" type';
  if (real.returns.table === null) yield 'the function does not return a table';
  yield* problemsOfExposure(real, tracked);
  yield* problemsOfArguments(real, tracked.configuration?.session_argument ?? null);
}

function* problemsOfArguments({ args }: FoundFunction, session: string | null): Generator<string> {
  const odd = args.flatMap(({ name }) => (name === null || isGraphqlName(name) ? [] : [name]));
  if (odd.length > 0) yield `the function arguments ${odd.join(',')} are not in compliance with GraphQL spec`;
  const vague = args.find(({ type }) => type.kind === 'pseudo');
  if (vague !== undefined) yield `the type "${vague.type.sql}" of an argument stands for many types`;
  const argument = args.find(({ name }) => name === session);
  if (session === null || argument?.type.name === 'json') return;
  const what = argument === undefined ? 'not the input argument of the function' : 'is not of type json';
  yield `given session argument "${session}" ${what}`;
}

function* problemsOfExposure(real: FoundFunction, { configuration }: FunctionMetadata): Generator<string> {
  const { volatility } = real;
  if (configuration?.exposed_as === 'mutation' && volatility !== 'volatile')
    yield 'the function was requested to be exposed as a mutation, but is not marked VOLATILE. Maybe the function was given the wrong volatility when it was defined?';
  if (configuration?.exposed_as === 'query' && volatility === 'volatile')
    yield 'the function was requested to be exposed as a query, but is marked VOLATILE, and a query may run it more than once. Mark it STABLE if it only reads';
}

function sessionPlace({ args }: FoundFunction, { configuration }: FunctionMetadata): number | null {
  const session = configuration?.session_argument ?? null;
  return session === null ? null : args.findIndex(({ name }) => name === session);
}

function exposure(
  { volatility }: FoundFunction,
  { configuration }: FunctionMetadata,
): TrackedFunction['exposedAs'] {
  return configuration?.exposed_as ?? (volatility === 'volatile' ? 'mutation' : 'query');
}

/** The name that a function's types are made from. */
function givenName({ function: ref, configuration }: FunctionMetadata): string {
  return configuration?.custom_name ?? HASURA_DEFAULT.rootBase({ kind: 'own', ...ref });
}

function rootNames(
  { function: ref, configuration, comment }: FunctionMetadata,
  returns: TableRef,
  { spelling, rootField }: SourceNames,
): RootNames {
  const { custom_name: custom, custom_root_fields: roots } = configuration ?? {};
  const own = spelling.rootBase({ kind: 'own', ...ref });
  // A custom name is never respelled.
  const ending = typeof custom === 'string' ? '_aggregate' : spelling.rootEnding('_aggregate');
  const rows = roots?.function ?? custom ?? own;
  const aggregate = roots?.function_aggregate ?? `${custom ?? own}${ending}`;
  const [printed, table] = [printTable(ref), printTable(returns)];
  return {
    rows: {
      name: rootField(rows),
      description: descriptionOf(comment, `execute function "${printed}" which returns "${table}"`),
    },
    aggregate: {
      name: rootField(aggregate),
      description: `execute function "${printed}" and query aggregates on result of table type "${table}"`,
    },
  };
}

function checkedRoots(root: RootNames): RootNames {
  for (const { name } of [root.rows, root.aggregate]) {
    requireGraphqlName(name);
  }
  if (root.rows.name === root.aggregate.name)
    throw new Unresolvable(`two root fields of the function have the name "${root.rows.name}"`);
  return root;
}

/** The functions of a source with the tables of their rows; one whose table is not tracked is reported and left out. */
export function withRows(
  functions: Iterable<NamedFunction>,
  tables: ReadonlyMap<string, Table>,
  problems: InconsistentObject[],
): ReadonlyMap<string, TrackedFunction> {
  const loosened = new Map<Table, Table>();
  const resolved = [...functions].flatMap((named): readonly (readonly [string, TrackedFunction])[] => {
    const { source, ref, returns } = named;
    const rows = attempt({ kind: 'function', source, function: ref }, problems, () => {
      const table = tables.get(tableKey(returns));
      if (table === undefined)
        throw new Unresolvable(`table "${printTable(returns)}" is not tracked`, { located: false });
      return keptIn(loosened, table, () => looseRows(table));
    });
    return rows === null ? [] : [[tableKey(ref), { ...named, rows }]];
  });
  return new Map(resolved);
}
