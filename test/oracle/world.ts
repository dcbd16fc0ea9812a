import type { PredicateFunctionName } from '../../src/catalog/conditions/predicate-functions.ts';
import { GRAPHQL_DEFAULT, HASURA_DEFAULT, type Spelling } from '../../src/catalog/part/spelling.ts';
import { type TypeName, typeOf, type Value } from './value-types.ts';

/** A column; `name` is Postgres' and `field` GraphQL's. */
export interface ColumnModel {
  readonly name: string;
  readonly field: string;
  readonly type: TypeName;
  readonly notNull: boolean;
  readonly generated: Generated | null;
}

/** How a column is generated of another one of its type. */
export interface Generated {
  readonly of: string;
  readonly kept: 'stored' | 'virtual';
}

/** A relationship to another table: across databases it is a remote one. */
export interface RelationshipModel {
  readonly name: string;
  readonly kind: 'object' | 'array';
  readonly to: string;
  readonly on: readonly (readonly [left: string, right: string])[];
  readonly follow: 'none' | 'object' | 'all';
}

/** What a role may see of a table. */
export interface PermissionModel {
  readonly role: string;
  readonly columns: readonly string[];
  readonly filter: Condition;
  readonly limit: number | null;
  readonly aggregate: boolean;
  /** All that there are, where it is left out. */
  readonly rootFields?: RootFields;
}

/** The root fields that a permission allows, by their keys in metadata; null for all. */
export interface RootFields {
  readonly query: readonly string[] | null;
  readonly subscription: readonly string[] | null;
}

/** A table; `field` names it in GraphQL and in the model. A row holds a text or null for each column. */
export interface TableModel {
  readonly field: string;
  readonly schema: string;
  readonly name: string;
  readonly database: string;
  readonly columns: readonly ColumnModel[];
  readonly key: readonly string[];
  readonly relationships: readonly RelationshipModel[];
  readonly permissions: readonly PermissionModel[];
  /** Metadata knows a view of it, which has no key and is never cached. */
  readonly isView: boolean;
  /** Metadata knows a native query of it, which answers all or none of its rows, in the order of their key. */
  readonly isQuery: boolean;
  /** Its rows are in partitions. */
  readonly isPartitioned: boolean;
  /** Its changes bring the whole row as it was. */
  readonly hasFullIdentity: boolean;
  /** Most of its cells are null. */
  readonly isSparse: boolean;
  readonly rows: readonly Row[];
}

export type Row = readonly (string | null)[];

/** How every source names its fields and types. */
export interface Naming {
  readonly convention: 'hasura-default' | 'graphql-default';
  readonly prefix: string;
  readonly suffix: string;
  readonly typePrefix: string;
  readonly typeSuffix: string;
  /** Root fields lie under a field of their source. */
  readonly namespaced: boolean;
}

/** Databases dealt out, what they hold, and who may see it. */
export interface World {
  readonly tables: readonly TableModel[];
  /** Every database knows the types of the others. */
  readonly sharedTypes: boolean;
  readonly naming: Naming;
  /** Limits so low that live answers have to go another way. */
  readonly cramped: { readonly liveInlineRows: number; readonly liveProbeRows: number };
  /** Numbers that JavaScript would round are written as strings. */
  readonly stringify: boolean;
  /** What is computed of some values is an error. */
  readonly brittle: boolean;
  /** Session variables by name. */
  readonly session: Readonly<Record<string, string>>;
  /** Those of somebody else. */
  readonly otherSession: Readonly<Record<string, string>>;
}

/** A condition of a request or of a permission rule, free of syntax; columns by Postgres name. */
export type Condition =
  | { readonly kind: 'true' }
  | {
      readonly kind: 'compare';
      readonly column: string;
      readonly operator: string;
      readonly value: Value | readonly Value[];
      /** The text form is compared. */
      readonly cast: boolean;
      /** Rules only: the value is a session variable's. */
      readonly variable: boolean;
    }
  | { readonly kind: 'null'; readonly column: string; readonly isNull: boolean }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'related'; readonly relationship: string; readonly of: Condition }
  | {
      readonly kind: 'aggregate';
      readonly relationship: string;
      readonly function: PredicateFunctionName;
      readonly columns: readonly string[];
      readonly distinct: boolean;
      readonly filter: Condition | null;
      readonly operator: string;
      readonly value: number | boolean;
    }
  /** Rules only: two columns of one row, or of the row the rule is for. */
  | {
      readonly kind: 'columns';
      readonly column: string;
      readonly operator: string;
      readonly other: string;
      readonly root: boolean;
    }
  /** Rules only: some row of a table, of any database. */
  | { readonly kind: 'exists'; readonly table: string; readonly of: Condition };

/** The roles of every world; `both` inherits from the other two. */
export const ROLES = ['one', 'two'] as const;
export const INHERITED = 'both';

export function tableNamed(world: World, field: string): TableModel {
  const found = world.tables.find((table) => table.field === field);
  if (found === undefined) throw new Error(`no table ${field}`);
  return found;
}

export function columnNamed(table: TableModel, name: string): ColumnModel {
  const found = table.columns.find((column) => column.name === name);
  if (found === undefined) throw new Error(`no column ${name}`);
  return found;
}

export function relationshipNamed(table: TableModel, name: string): RelationshipModel {
  const found = table.relationships.find((relationship) => relationship.name === name);
  if (found === undefined) throw new Error(`no relationship ${name}`);
  return found;
}

/** Columns that statements may write. */
export function writableOf({ columns }: TableModel): readonly ColumnModel[] {
  return columns.filter(({ generated }) => generated === null);
}

/** The names of the databases in use. */
export function databasesOf(world: World): readonly string[] {
  return [...new Set(world.tables.map(({ database }) => database))];
}

/** The permissions that make up what a role sees of a table; none for `admin`, who sees all. */
export function permissionsFor(table: TableModel, role: string): readonly PermissionModel[] {
  return table.permissions.filter((one) => one.role === role || role === INHERITED);
}

/** A table as a role sees it; null when it does not exist for the role. */
export interface View {
  readonly table: TableModel;
  readonly columns: readonly ColumnModel[];
  readonly limit: number | null;
  readonly aggregate: boolean;
}

export function viewOf(table: TableModel, role: string): View | null {
  const { isQuery } = table;
  if (role === 'admin') return { table, columns: table.columns, limit: null, aggregate: !isQuery };
  const permissions = permissionsFor(table, role);
  if (permissions.length === 0) return null;
  const mayAggregate = permissions.some((one) => one.aggregate);
  const limits = permissions.flatMap(({ limit }) => limit ?? []);
  return {
    table,
    columns: table.columns.filter(({ name }) => permissions.some((one) => one.columns.includes(name))),
    limit: limits.length === 0 ? null : Math.max(...limits),
    aggregate: mayAggregate && !isQuery,
  };
}

/** The relationships a role may follow from a table, with what it sees there. */
export function visibleRelationships(
  world: World,
  table: TableModel,
  role: string,
): readonly { readonly relationship: RelationshipModel; readonly view: View }[] {
  return table.relationships.flatMap((relationship) => {
    const view = viewOf(tableNamed(world, relationship.to), role);
    return view === null ? [] : [{ relationship, view }];
  });
}

/** A relationship to follow, and what a role sees there. */
export type Step = ReturnType<typeof visibleRelationships>[number];

/** Where ways begin, and how they lead through a native query of another database into a third one. */
export function farWays(
  world: World,
  role: string,
): readonly { readonly view: View; readonly way: readonly Step[] }[] {
  return world.tables.flatMap((table) => {
    const view = viewOf(table, role);
    return view === null ? [] : farSteps(world, role, [view]).map((way) => ({ view, way }));
  });
}

function farSteps(
  world: World,
  role: string,
  path: readonly [View, ...View[]],
): readonly (readonly Step[])[] {
  const [from] = path;
  const here = path.at(-1) ?? from;
  if (path.length > 3) return [];
  return visibleRelationships(world, here.table, role).flatMap((step) => {
    const databases = [from, here, step.view].map(({ table }) => table.database);
    return here.table.isQuery && new Set(databases).size === 3
      ? [[step]]
      : farSteps(world, role, [...path, step.view]).map((way) => [step, ...way]);
  });
}

/** Those that conditions and orderings may follow: none leads from a native query or to one. */
export function comparedRelationships(
  world: World,
  table: TableModel,
  role: string,
): ReturnType<typeof visibleRelationships> {
  if (table.isQuery) return [];
  return visibleRelationships(world, table, role).filter(({ view }) => !view.table.isQuery);
}

/** What metadata calls a column: a native query answers each by its name in GraphQL. */
export function knownColumn(table: TableModel, name: string): string {
  return table.isQuery ? columnNamed(table, name).field : name;
}

/** How often each row is among those of a native query; a table's rows are there once. */
export function timesOf(world: World, table: TableModel): number {
  return table.isQuery ? 1 + (world.tables.indexOf(table) % 2) : 1;
}

/** The logical model that a native query returns; null where it brings its own along. */
export function modelNamed(world: World, table: TableModel): string | null {
  return world.tables.indexOf(table) % 3 === 0 ? `model_${table.field}` : null;
}

/** How names are spelled. */
export function spellingOf({ naming }: Pick<World, 'naming'>): Spelling {
  return naming.convention === 'graphql-default' ? GRAPHQL_DEFAULT : HASURA_DEFAULT;
}

/** The GraphQL type of a table's rows, or one derived from it. */
export function typeNamed(world: World, table: TableModel, ending = ''): string {
  const { field } = table;
  if (table.isQuery) return queryTypeNamed(world, table, ending);
  const base = { kind: 'custom', name: field } as const;
  const spelling = spellingOf(world);
  return wrappedType(world, ending === '' ? spelling.typeBase(base) : spelling.derivedType(base, ending));
}

/** Rows with relationships are of a type of their own; the rest is named by the model, without all that sources add to names or with it. */
function queryTypeNamed(world: World, table: TableModel, ending: string): string {
  const model = modelNamed(world, table) ?? table.field;
  if (ending === '') return table.relationships.length > 0 ? table.field : model;
  if (ending === '_select_column') return `${model}_enum_name`;
  const { derivedType } = spellingOf(world);
  const of = (name: string): string => derivedType({ kind: 'custom', name }, ending);
  return wrappedType(world, ending === '_bool_exp' ? of(of(model)) : of(model));
}

function wrappedType(world: World, name: string): string {
  return spellingOf(world).wrap(world.naming.typePrefix, name, world.naming.typeSuffix);
}

/** The GraphQL enum that a database's columns of type `hue` are of. */
export function enumTypeOf(world: World, database: string): string {
  const base = { kind: 'own', schema: 'public', name: enumTableOf(database) } as const;
  return wrappedType(world, spellingOf(world).derivedType(base, '_enum'));
}

/** The root field of a table. */
export function rootNamed(world: World, { field, isQuery }: TableModel, ending = ''): string {
  if (isQuery) return field;
  const { prefix, suffix } = world.naming;
  const spelling = spellingOf(world);
  return spelling.wrap(prefix, `${field}${ending === '' ? '' : spelling.rootEnding(ending)}`, suffix);
}

/** The root field of the native query or of the function that answers a table's rows. */
export function calledNamed({ naming }: World, { field, isQuery }: TableModel, ending = ''): string {
  if (isQuery) return field;
  return spellingOf({ naming }).wrap(naming.prefix, `called_${field}${ending}`, naming.suffix);
}

/** The GraphQL type of its arguments; that of a function's is spelled as a field is. */
export function argsTypeNamed(world: World, { field, isQuery }: TableModel): string {
  if (isQuery) return `${field}_arguments`;
  return wrappedType(world, spellingOf(world).field(`called_${field}_args`));
}

/** A column in GraphQL; a name given by hand is not respelled. */
export function fieldNamed(world: World, table: TableModel, column: string): string {
  const { name, field } = columnNamed(table, column);
  return name === field && !table.isQuery ? spellingOf(world).field(field) : field;
}

/** Whether a column's values are those of an enum; neither a view nor a native query has foreign keys, and so no enums. */
export function isEnumIn({ isView, isQuery }: TableModel, { type }: ColumnModel): boolean {
  return !isView && !isQuery && typeOf(type).isEnum === true;
}

/** The computed field that is a column's own value; null where a function may not answer the type. */
export function twinOf(table: TableModel, name: string): string | null {
  const { own, isEnum, sql } = typeOf(columnNamed(table, name).type);
  if (table.isQuery || own === true || isEnum === true || sql === 'int4range' || sql === 'int4multirange')
    return null;
  return `same_${table.columns.findIndex((column) => column.name === name)}`;
}

/** The computed field that answers an array relationship's rows; null where these are in another database. */
export function twinListOf(world: World, table: TableModel, name: string): string | null {
  const { kind, to } = relationshipNamed(table, name);
  const target = world.tables.find(({ field }) => field === to);
  if (kind === 'object' || target?.database !== table.database || table.isQuery || target.isQuery)
    return null;
  return `rows_${table.relationships.findIndex((one) => one.name === name)}`;
}

/** The enum table that a database's columns of type `hue` point at. */
export function enumTableOf(database: string): string {
  return `hues_${database}`;
}

/** Whether something of another database is cached; views never are. */
export function crosses({ tables }: World): boolean {
  return tables.some((table) =>
    table.relationships.some(({ to }) =>
      tables.some((other) => other.field === to && other.database !== table.database && !other.isView),
    ),
  );
}
