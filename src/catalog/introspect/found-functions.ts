import pg from 'pg';
import type { TableRef } from '../../core/names.ts';
import type { ColumnType } from '../catalog.ts';
import type { TypeBook } from './column-type.ts';

/** Names a function as a table is named: schema and name; its overloads share them. */
export type FunctionRef = TableRef;

/** A type in a function's signature, with the table or view whose rows it is the type of. */
export interface SignatureType {
  readonly type: ColumnType;
  readonly table: TableRef | null;
}

/** What a function is called with, in the order of its definition. */
export interface FoundArgument extends SignatureType {
  /** Null where the definition names it not. */
  readonly name: string | null;
  readonly hasDefault: boolean;
}

/** A function as the database describes it; aggregates, window functions and procedures are none. */
export interface FoundFunction {
  readonly ref: FunctionRef;
  /** Those that are passed in; those that only come out are part of what it returns. */
  readonly args: readonly FoundArgument[];
  readonly variadic: boolean;
  readonly returns: SignatureType & { readonly set: boolean };
  readonly volatility: 'immutable' | 'stable' | 'volatile';
  /** Promises to say nothing of its arguments but by what it returns, errors included. */
  readonly leakproof: boolean;
  readonly comment: string | null;
}

type SignatureTypeRow = readonly [oid: number, sql: string, schema: string | null, table: string | null];

/** A function as `functionsSql` tells of it. */
export type FunctionRow = readonly [
  schema: string,
  name: string,
  comment: string | null,
  variadic: boolean,
  volatility: 'i' | 's' | 'v',
  leakproof: boolean,
  returnsSet: boolean,
  returns: SignatureTypeRow,
  argNames: readonly (string | null)[],
  argTypes: readonly SignatureTypeRow[],
  defaults: number,
];

const VOLATILITIES = { i: 'immutable', s: 'stable', v: 'volatile' } as const;

/** The functions of those names, whoever overloads them: rows of `pg_proc` as `p`, and of `pg_namespace` as `n`. */
function namedFunctions(refs: readonly FunctionRef[]): string {
  // A name with the character that Postgres' texts cannot hold is nobody's.
  const known = refs.filter(({ schema, name }) => !`${schema}${name}`.includes('\u0000'));
  const rows = known.map(({ schema, name }) => `(${pg.escapeLiteral(schema)}, ${pg.escapeLiteral(name)})`);
  return `
    (values ${['(null::text, null::text)', ...rows].join(', ')}) as w(schema, name)
    join pg_namespace n on n.nspname = w.schema
     and n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'nearjoin')
    join pg_proc p on p.pronamespace = n.oid and p.proname = w.name and p.prokind = 'f'`;
}

const signatureType = (oid: string): string => `
  (select json_build_array(t.oid::int8, format_type(t.oid, -1), rn.nspname, r.relname)
     from pg_type t
     left join pg_class r on r.oid = t.typrelid and r.relkind <> 'c'
     left join pg_namespace rn on rn.oid = r.relnamespace
    where t.oid = ${oid})`;

/** One array per function of those names: see `FunctionRow`. */
export function functionsSql(refs: readonly FunctionRef[]): string {
  if (refs.length === 0) return `select '[]'::json as answer`; // most ask for none, and this costs nothing to plan
  return `
select coalesce(json_agg(json_build_array(
         n.nspname, p.proname, d.description, p.provariadic <> 0, p.provolatile, p.proleakproof, p.proretset,
         ${signatureType('p.prorettype')},
         (select coalesce(json_agg(nullif(a.name, '') order by a.place), '[]')
            from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes, p.proargnames)
                 with ordinality as a(type, mode, name, place)
           where a.type is not null and coalesce(a.mode, 'i') in ('i', 'b', 'v')),
         (select coalesce(json_agg(${signatureType('a.type')} order by a.place), '[]')
            from unnest(p.proargtypes::oid[]) with ordinality as a(type, place)),
         p.pronargdefaults) order by n.nspname, p.proname, p.oid), '[]') as answer
  from ${namedFunctions(refs)}
  left join pg_description d on d.objoid = p.oid and d.classoid = 'pg_proc'::regclass and d.objsubid = 0`;
}

/** The oids of the types in the signatures of functions of those names. */
export function functionTypesSql(refs: readonly FunctionRef[]): string {
  return `select t.oid from ${namedFunctions(refs)}, unnest(p.proargtypes::oid[] || p.prorettype) as t(oid)`;
}

/** What changes with any function of those names: one row each, its identity and version as one text `id`. */
export function functionVersionsSql(refs: readonly FunctionRef[]): string {
  return `
    select concat_ws(' ', p.oid::text, n.nspname, p.xmin::text, d.xmin::text) as id
      from ${namedFunctions(refs)}
      left join pg_description d on d.objoid = p.oid and d.classoid = 'pg_proc'::regclass and d.objsubid = 0`;
}

/** Puts the answer to `functionsSql` in order: functions by `tableKey` of their names, overloads together. */
export function foundFunction(row: FunctionRow, types: TypeBook): FoundFunction {
  const [schema, name, comment, variadic, volatility, leakproof, set, returns, names, argTypes, defaults] =
    row;
  const typed = ([oid, sql, relSchema, relName]: SignatureTypeRow): SignatureType => ({
    type: types.type(oid, sql),
    table: relSchema === null || relName === null ? null : { schema: relSchema, name: relName },
  });
  return {
    ref: { schema, name },
    args: argTypes.map((type, place) => ({
      ...typed(type),
      name: names[place] ?? null,
      // Only the last ones can have a default.
      hasDefault: place >= argTypes.length - defaults,
    })),
    variadic,
    returns: { ...typed(returns), set },
    volatility: VOLATILITIES[volatility],
    leakproof,
    comment,
  };
}
