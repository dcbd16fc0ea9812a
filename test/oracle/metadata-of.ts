import type { MoreMetadata } from '../support/lane.ts';
import { functionNamed, nativeCode, sessionOf, twinFunction, usesEnum, viewNamed } from './database-of.ts';
import { aggregateArguments } from './generate-condition.ts';
import { isList } from './graphql-of.ts';
import { Random } from './random.ts';
import { typeOf } from './value-types.ts';
import {
  type Condition,
  databasesOf,
  enumTableOf,
  INHERITED,
  knownColumn,
  modelNamed,
  ROLES,
  relationshipNamed,
  type TableModel,
  tableNamed,
  twinListOf,
  twinOf,
  type World,
} from './world.ts';

type Json = Record<string, unknown>;

/** The metadata of one database's tables; with `inOne` all relationships stay inside it. */
export function tablesMetadata(
  world: World,
  tables: readonly TableModel[],
  inOne: boolean,
): readonly unknown[] {
  const pointing = tables.filter(usesEnum).map(({ database }) => database);
  const enums = [...new Set(pointing)].map((database) => ({ table: enumTableOf(database), is_enum: true }));
  const known = tables.filter(({ isQuery }) => !isQuery);
  return [...known.map((table) => tableMetadata(world, table, inOne)), ...enums];
}

/** The customization of a source. */
export function customizationOf({ naming }: World, source: string): object {
  const { convention, prefix, suffix, typePrefix, typeSuffix, namespaced } = naming;
  return {
    naming_convention: convention,
    root_fields: { prefix, suffix, ...(namespaced ? { namespace: `ns_${source}` } : {}) },
    type_names: { prefix: typePrefix, suffix: typeSuffix },
  };
}

/** What metadata says beside the tables of some sources. */
export function moreMetadata(world: World, sources: readonly string[]): MoreMetadata {
  const customization = Object.fromEntries(sources.map((source) => [source, customizationOf(world, source)]));
  const functions = Object.fromEntries(sources.map((source) => [source, functionsMetadata(world, source)]));
  const queries = Object.fromEntries(sources.map((source) => [source, queriesMetadata(world, source)]));
  return { inherited_roles: inheritedRoles(world), customization, functions, queries };
}

/** The functions of a source; one that is none of the databases holds everything. */
export function functionsMetadata(world: World, source: string): readonly object[] {
  return tablesIn(world, source)
    .filter(({ isQuery }) => !isQuery)
    .map((table) => ({
      function: functionNamed(world, table),
      configuration: { custom_name: `called_${table.field}`, session_argument: 'session' },
    }));
}

function tablesIn(world: World, source: string): readonly TableModel[] {
  const isWhole = !databasesOf(world).includes(source);
  return world.tables.filter(({ database }) => isWhole || database === source);
}

/** The native queries of a source, with the models that they return. */
export function queriesMetadata(
  world: World,
  source: string,
): { readonly logical_models: readonly object[]; readonly native_queries: readonly object[] } {
  const inOne = !databasesOf(world).includes(source);
  const made = tablesIn(world, source)
    .filter(({ isQuery }) => isQuery)
    .map((table) => queryMetadata({ world, inOne }, table));
  return {
    logical_models: made.flatMap(({ model }) => (model === null ? [] : [model])),
    native_queries: made.map(({ query }) => query),
  };
}

function queryMetadata(
  within: Within,
  table: TableModel,
): { readonly model: object | null; readonly query: object } {
  const { world } = within;
  const name = modelNamed(world, table);
  const model = {
    fields: table.columns.map(({ field, type }) => ({
      name: field,
      // Of a domain a statement answers the base type.
      type: { scalar: typeOf(type).domainOf ?? typeOf(type).bare, nullable: true },
    })),
    select_permissions: table.permissions.map(({ role, columns, filter, limit }) => ({
      role,
      permission: {
        columns: columns.map((column) => knownColumn(table, column)),
        filter: filterJson(within, table, filter),
        limit,
      },
    })),
  };
  const { object, array, remote } = relationshipsOf(within, table);
  const query = {
    root_field_name: table.field,
    arguments: { wanted: { type: 'boolean', nullable: true } },
    code: nativeCode(world, table),
    returns: name ?? model,
    object_relationships: object,
    array_relationships: array,
    remote_relationships: remote,
  };
  return { model: name === null ? null : { name, ...model }, query };
}

/** The metadata of every database, by its name. */
export function dealtMetadata(world: World): Readonly<Record<string, readonly unknown[]>> {
  const own = (name: string) => world.tables.filter((table) => table.database === name);
  return Object.fromEntries(
    databasesOf(world).map((name) => [name, tablesMetadata(world, own(name), false)]),
  );
}

/** The role made of the others: of those that see anything. */
export function inheritedRoles({ tables }: World): readonly object[] {
  const granted = ROLES.filter((role) =>
    tables.some(({ permissions }) => permissions.some((permission) => permission.role === role)),
  );
  return granted.length === 0 ? [] : [{ role_name: INHERITED, role_set: granted }];
}

interface Local {
  readonly name: string;
  readonly using: object;
}

/** Relationships by how they are written; those of a table's own database as a native query has them. */
function relationshipsOf(
  { world, inOne }: Within,
  table: TableModel,
): {
  readonly object: readonly Local[];
  readonly array: readonly Local[];
  readonly remote: readonly unknown[];
} {
  const local = { object: [] as Local[], array: [] as Local[] };
  const remote: unknown[] = [];
  for (const { name, kind, to, on, follow } of table.relationships) {
    const target = tableNamed(world, to);
    const mapping = Object.fromEntries(
      on.map(([left, right]) => [knownColumn(table, left), knownColumn(target, right)]),
    );
    if (inOne || target.database === table.database) {
      const where = target.isQuery ? { remote_native_query: target.field } : { remote_table: refOf(target) };
      local[kind].push({ name, using: { ...where, column_mapping: mapping } });
    } else {
      const to_source = {
        relationship_type: kind,
        source: target.database,
        table: refOf(target),
        field_mapping: mapping,
        nearjoin: { follow },
      };
      remote.push({ name, definition: { to_source } });
    }
  }
  return { ...local, remote };
}

function byHand({ name, using }: Local): object {
  return { name, using: { manual_configuration: using } };
}

function tableMetadata(world: World, table: TableModel, inOne: boolean): unknown {
  const { object, array, remote } = relationshipsOf({ world, inOne }, table);
  return {
    table: refOf(table),
    configuration: configuration(table),
    object_relationships: object.map(byHand),
    array_relationships: array.map(byHand),
    remote_relationships: remote,
    computed_fields: [
      ...twinsOf(
        table,
        table.columns.map(({ name }) => name),
      ),
      ...table.relationships.flatMap(({ name }) => twinListOf(world, table, name) ?? []),
    ].map((twin) => ({ name: twin, definition: { function: twinFunction(world, table, twin) } })),
    select_permissions: table.permissions.map(({ role, columns, filter, limit, aggregate, rootFields }) => ({
      role,
      permission: {
        columns,
        computed_fields: twinsOf(table, columns),
        filter: filterJson({ world, inOne }, table, filter),
        limit,
        allow_aggregations: aggregate,
        query_root_fields: rootFields?.query,
        subscription_root_fields: rootFields?.subscription,
      },
    })),
  };
}

function twinsOf(table: TableModel, columns: readonly string[]): readonly string[] {
  return columns.flatMap((name) => twinOf(table, name) ?? []);
}

function configuration(table: TableModel): unknown {
  const renamed = table.columns.filter(({ name, field }) => name !== field);
  return {
    custom_name: table.field,
    column_config: Object.fromEntries(renamed.map(({ name, field }) => [name, { custom_name: field }])),
  };
}

function refOf({ schema, name, isView }: TableModel): { schema: string; name: string } {
  return { schema, name: isView ? viewNamed(name) : name };
}

interface Within {
  readonly world: World;
  readonly inOne: boolean;
}

interface WithinRule extends Within {
  /** The table that the rule is for. */
  readonly root: TableModel;
  /** Hasura has several ways to say most things. */
  readonly spelling: Random;
}

/** A keyword of a rule; older rules write `$eq` for `_eq`. */
function keyword({ spelling }: WithinRule, name: string): string {
  return spelling.chance(0.3) ? name.replace('_', '$') : name;
}

/** A permission's rule as metadata writes it. */
function filterJson(within: Within, root: TableModel, filter: Condition): Json {
  const spelling = new Random(JSON.stringify(filter).length);
  return ruleJson({ ...within, root, spelling }, root, filter);
}

function ruleJson(within: WithinRule, table: TableModel, rule: Condition): Json {
  const { world } = within;
  switch (rule.kind) {
    case 'true':
      return {};
    case 'compare':
      return { [knownColumn(table, rule.column)]: comparisonJson(within, table, rule) };
    case 'null':
      return { [knownColumn(table, rule.column)]: { [keyword(within, '_is_null')]: rule.isNull } };
    case 'and':
    case 'or':
      return junction(
        within,
        rule.kind,
        rule.of.map((one) => ruleJson(within, table, one)),
      );
    case 'not':
      return { [keyword(within, '_not')]: ruleJson(within, table, rule.of) };
    case 'columns': {
      const other = rule.root ? ['$', knownColumn(within.root, rule.other)] : knownColumn(table, rule.other);
      return { [knownColumn(table, rule.column)]: { [keyword(within, rule.operator)]: other } };
    }
    case 'related':
      return {
        [rule.relationship]: ruleJson(
          within,
          tableNamed(world, relationshipNamed(table, rule.relationship).to),
          rule.of,
        ),
      };
    case 'exists': {
      const to = tableNamed(world, rule.table);
      const source = within.inOne || to.database === table.database ? {} : { source: to.database };
      return {
        [keyword(within, '_exists')]: {
          _table: { ...source, ...refOf(to) },
          _where: ruleJson(within, to, rule.of),
        },
      };
    }
    case 'aggregate':
      return aggregateJson(within, table, rule);
  }
}

/** Conditions that must all hold may be members of one object. */
function junction(within: WithinRule, kind: 'and' | 'or', parts: readonly Json[]): Json {
  const names = parts.flatMap(Object.keys);
  const fits = kind === 'and' && new Set(names).size === names.length;
  return fits && within.spelling.chance(0.5)
    ? Object.assign({}, ...parts)
    : { [keyword(within, `_${kind}`)]: parts };
}

function aggregateJson(
  within: WithinRule,
  table: TableModel,
  rule: Extract<Condition, { kind: 'aggregate' }>,
): Json {
  const to = tableNamed(within.world, relationshipNamed(table, rule.relationship).to);
  const { columns, distinct, filter } = rule;
  return {
    [`${rule.relationship}_aggregate`]: {
      [rule.function]: {
        ...(columns.length === 0 ? {} : { arguments: aggregateArguments(rule.function, columns) }),
        ...(distinct ? { distinct } : {}),
        ...(filter === null ? {} : { filter: ruleJson(within, to, filter) }),
        predicate: operatorJson(within, rule.operator, rule.value),
      },
    },
  };
}

function comparisonJson(
  within: WithinRule,
  table: TableModel,
  rule: Extract<Condition, { kind: 'compare' }>,
): unknown {
  const { world, spelling } = within;
  const name = sessionOf(world, table, rule)?.name;
  const given = isList(rule.value) ? rule.value.map(({ json }) => json) : rule.value.json;
  const value = name === undefined ? given : spelling.pick([name, name.toUpperCase()]);
  const said = operatorJson(within, rule.operator, value);
  return rule.cast ? { [keyword(within, '_cast')]: { [spelling.pick(['String', 'text'])]: said } } : said;
}

/** What is no object needs no operator to be compared for equality. */
function operatorJson(within: WithinRule, operator: string, value: unknown): unknown {
  const { spelling } = within;
  if (operator === '_eq' && (typeof value !== 'object' || Array.isArray(value)) && spelling.chance(0.4))
    return value;
  return { [keyword(within, operator === '_neq' ? spelling.pick(['_ne', '_neq']) : operator)]: value };
}

/** The session variables as headers of a role's requests. */
export function sessionHeaders(world: World, role: string): Record<string, string> {
  return role === 'admin' ? {} : { ...world.session, 'x-hasura-role': role };
}

/** Types whose values Postgres may order by what only their own database knows. */
export function hasOwnTypes(world: World): boolean {
  return world.tables.some((table) => table.columns.some(({ type }) => typeOf(type).own));
}
