import type { Catalog, TrackedFunction } from '../../../src/catalog/catalog.ts';
import type { FoundFunction } from '../../../src/catalog/introspect/found-functions.ts';
import type { Introspection } from '../../../src/catalog/introspection.ts';
import type { ResolveSettings } from '../../../src/catalog/resolve.ts';
import { tableKey } from '../../../src/core/names.ts';
import { parseMetadata } from '../../../src/metadata/document/parse.ts';
import { resolve } from '../../support/resolve.ts';
import { database, source, table, type } from './found.ts';

const USER = table('user', ['id int8 pk', 'name text!']);
/** The table of users. */
export const USERS = { schema: 'public', name: 'user' };

/** A stable function that returns users. */
export function found(name: string, more: Partial<FoundFunction> = {}, schema = 'public'): FoundFunction {
  return {
    ref: { schema, name },
    args: [],
    variadic: false,
    returns: { type: { ...type('user'), kind: 'composite' }, table: USERS, set: true },
    volatility: 'stable',
    leakproof: false,
    comment: null,
    ...more,
  };
}

/** An argument by its name and the short name of its type. */
export function argument(name: string | null, of: string, hasDefault = false): FoundFunction['args'][number] {
  return { name, type: type(of), table: null, hasDefault };
}

function databaseWith(...functions: readonly FoundFunction[]): Introspection {
  const byName = new Map<string, FoundFunction[]>();
  for (const one of functions) byName.set(tableKey(one.ref), [...(byName.get(tableKey(one.ref)) ?? []), one]);
  return { ...database([USER]), functions: byName };
}

/** One source with a table of users and functions. */
export interface World {
  readonly found: readonly FoundFunction[];
  readonly functions: readonly object[];
  readonly tables?: readonly object[];
  readonly more?: object;
  readonly settings?: Partial<ResolveSettings>;
}

/** The catalog of one. */
export function catalogWith({
  found: real,
  functions,
  tables = [{ table: 'user' }],
  more = {},
  settings,
}: World): Catalog {
  const sources = [source('pg1', tables, { functions, ...more })];
  const found = new Map([['pg1', databaseWith(...real)]]);
  const version = { resourceVersion: 1, generation: 1 };
  return resolve(parseMetadata({ version: 3, sources }), found, version, settings);
}

/** The only function that holds. */
export function only(catalog: Catalog): TrackedFunction {
  const [one] = catalog.sources.get('pg1')?.functions.values() ?? [];
  if (one === undefined) throw new Error(`no function: ${JSON.stringify(catalog.inconsistent)}`);
  return one;
}
