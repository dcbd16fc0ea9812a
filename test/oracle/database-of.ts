import { takesList, takesText } from './generate-condition.ts';
import { isList } from './graphql-of.ts';
import { TYPE_DDL, TYPES, typeOf, type Value } from './value-types.ts';
import {
  type ColumnModel,
  type Condition,
  columnNamed,
  enumTableOf,
  type Row,
  relationshipNamed,
  type TableModel,
  tableNamed,
  timesOf,
  twinListOf,
  twinOf,
  type World,
  writableOf,
} from './world.ts';

/** The statements that make a database with some of a world's tables and rows; `isWhole` when it needs every type. */
export function ddlOf(world: World, tables: readonly TableModel[], isWhole: boolean): readonly string[] {
  const usesOwn = tables.some((table) => table.columns.some(({ type }) => typeOf(type).own));
  return [
    ...(isWhole || world.sharedTypes || usesOwn ? TYPE_DDL : []),
    `create schema "Other Schema"`,
    ...[...new Set(tables.filter(usesEnum).map(({ database }) => database))].map(enumTable),
    ...tables.flatMap((table) => [
      ...tableDdl(world, table),
      ...(table.rows.length === 0 ? [] : [insertRows(table, table.rows)]),
    ]),
    ...tables.flatMap((table) => twinLists(world, table)),
  ];
}

function tableDdl(world: World, table: TableModel): readonly string[] {
  return [
    createTable(table),
    ...(table.isView
      ? [
          `create view ${relation({ ...table, name: viewNamed(table.name) })} as select * from ${relation(table)}`,
        ]
      : []),
    ...(table.isQuery ? [] : [callable(world, table)]),
    ...twins(world, table),
  ];
}

/** The statements that make a table again after it was dropped with all that depends on it. */
export function madeAgain(world: World, table: TableModel): readonly string[] {
  const near = world.tables.filter(({ database }) => database === table.database);
  const lists = near.flatMap((from) => {
    const { relationships } = from;
    const lost = from === table ? relationships : relationships.filter(({ to }) => to === table.field);
    return twinLists(world, from, lost);
  });
  return [...tableDdl(world, table), ...lists];
}

/** The name of the function that answers a table's rows, all or none of them. */
export function functionNamed(world: World, table: TableModel): string {
  return `called ${world.tables.indexOf(table)}`;
}

/** Of some Postgres makes a part of the statement, others it runs as they are. */
function callable(world: World, table: TableModel): string {
  const rows = known(table);
  const body = `select * from ${rows} where wanted`;
  const [language, code] =
    world.tables.indexOf(table) % 2 === 0 ? ['sql', body] : ['plpgsql', `begin return query ${body}; end`];
  return `create function ${quoted(functionNamed(world, table))}(wanted boolean, session json default null) returns setof ${rows} language ${language} stable as $$ ${code} $$`;
}

/** The statement of a native query: all or none of a table's rows. */
export function nativeCode(world: World, table: TableModel): string {
  const columns = table.columns.map(({ name, field }) => `t.${quoted(name)} as ${quoted(field)}`);
  const key = table.key.map((name) => `t.${quoted(name)}`);
  const from = `${relation(table)} t, generate_series(1, ${timesOf(world, table)})`;
  return `select ${columns.join(', ')} from ${from} where {{wanted}} order by ${key.join(', ')}`;
}

/** The name of the function that answers a column's value. */
export function twinFunction(world: World, table: TableModel, twin: string): string {
  return `${twin} ${world.tables.indexOf(table)}`;
}

function twins(world: World, table: TableModel): readonly string[] {
  const row = known(table);
  return table.columns.flatMap(({ name, type }) => {
    const twin = twinOf(table, name);
    if (twin === null) return [];
    const called = quoted(twinFunction(world, table, twin));
    const head = `create function ${called}(${row}) returns ${typeOf(type).bare}`;
    const cell = `$1.${quoted(name)}`;
    if (!world.brittle) return [`${head} language sql stable as $$ select ${cell} $$`];
    const broken = `md5(${cell}::text) < '4'`;
    return [
      `${head} language plpgsql stable cost 0.0001 as $$ begin if ${broken} then raise 'a row'; end if; return ${cell}; end $$`,
    ];
  });
}

function twinLists(world: World, table: TableModel, relationships = table.relationships): readonly string[] {
  return relationships.flatMap(({ name, to, on }) => {
    const twin = twinListOf(world, table, name);
    if (twin === null) return [];
    const called = quoted(twinFunction(world, table, twin));
    const rows = known(tableNamed(world, to));
    const link = on.map(([left, right]) => `r.${quoted(right)} = $1.${quoted(left)}`).join(' and ');
    return [
      `create function ${called}(${known(table)}) returns setof ${rows} language sql stable as $$ select r.* from ${rows} r where ${link} $$`,
    ];
  });
}

/** What metadata knows of a table: itself or its view. */
function known(table: TableModel): string {
  return relation(table.isView ? { ...table, name: viewNamed(table.name) } : table);
}

/** Whether a table has a column of its database's enum table. */
export function usesEnum({ columns }: TableModel): boolean {
  return columns.some(({ type }) => typeOf(type).isEnum);
}

function enumTable(database: string): string {
  const name = enumTableOf(database);
  const values = TYPES.hue.values.map(({ text: value }) => `(${text(value)})`).join(', ');
  return `create table ${name} (value text primary key); insert into ${name} values ${values}`;
}

/** The view that metadata knows instead of the table. */
export function viewNamed(name: string): string {
  return `view of ${name.slice(-40)}`;
}

function createTable(table: TableModel): string {
  const columns = table.columns.map((column) => {
    const { sql, isEnum } = typeOf(column.type);
    const reference = isEnum ? ` references ${enumTableOf(table.database)}` : '';
    return `${quoted(column.name)} ${sql}${column.notNull ? ' not null' : ''}${generation(column)}${reference}`;
  });
  const made = `create table ${relation(table)} (${columns.join(', ')}, ${primaryKey(table)})`;
  const names = table.isPartitioned ? partitionsOf(table) : [relation(table)];
  const parts = names.map(
    (name, i) =>
      `create table ${name} partition of ${relation(table)} for values with (modulus ${names.length}, remainder ${i})`,
  );
  return [
    table.isPartitioned ? `${made} partition by hash (${quoted(table.key[0] ?? '')})` : made,
    ...(table.isPartitioned ? parts : []),
    ...(table.hasFullIdentity ? names.map((name) => `alter table ${name} replica identity full`) : []),
  ].join('; ');
}

/** Of whole numbers and of texts there are fewer, so that they meet as keys; of others the same. */
function generation({ type, generated }: ColumnModel): string {
  if (generated === null) return '';
  const cell = quoted(generated.of);
  const { family, domainOf } = typeOf(type);
  const fewer: Readonly<Record<string, string>> = { integer: `${cell} % 3`, text: `lower(${cell})` };
  const value = domainOf === undefined ? (fewer[family ?? ''] ?? cell) : cell;
  return ` generated always as (${value}) ${generated.kept}`;
}

/** A table's primary key, with a name. */
export function primaryKey({ field, key }: TableModel): string {
  return `constraint ${quoted(keyNamed(field))} primary key (${key.map(quoted).join(', ')})`;
}

/** The name of a table's primary key. */
export function keyNamed(field: string): string {
  return `key of ${field}`;
}

/** A table's partitions by hash. */
export function partitionsOf({ schema, name }: TableModel): readonly string[] {
  return [0, 1].map((i) => relation({ schema, name: `part ${i} of ${name.slice(-40)}` }));
}

/** Rows whose key is taken are left out, or else what is said is done. */
export function insertRows(
  table: TableModel,
  rows: readonly Row[],
  otherwise = 'on conflict do nothing',
): string {
  const columns = writableOf(table);
  const cells = (row: Row): string =>
    columns.map((column) => text(row[table.columns.indexOf(column)])).join(', ');
  const values = rows.map((row) => `(${cells(row)})`);
  return `insert into ${relation(table)} (${columns.map(({ name }) => quoted(name)).join(', ')}) values ${values.join(', ')} ${otherwise}`;
}

export function relation({ schema, name }: Pick<TableModel, 'schema' | 'name'>): string {
  return `${quoted(schema)}.${quoted(name)}`;
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text literal, or null. */
export function text(value: string | null | undefined): string {
  return value === null || value === undefined ? 'null' : `'${value.replaceAll("'", "''")}'`;
}

/** Operators that are not spelled like their names. */
const SPELLED: Readonly<Record<string, string>> = {
  _eq: '=',
  _neq: '<>',
  _gt: '>',
  _lt: '<',
  _gte: '>=',
  _lte: '<=',
  _ceq: '=',
  _cne: '<>',
  _cgt: '>',
  _clt: '<',
  _cgte: '>=',
  _clte: '<=',
  _like: 'like',
  _nlike: 'not like',
  _ilike: 'ilike',
  _nilike: 'not ilike',
  _similar: 'similar to',
  _nsimilar: 'not similar to',
  _regex: '~',
  _nregex: '!~',
  _iregex: '~*',
  _niregex: '!~*',
  _contains: '@>',
  _contained_in: '<@',
  _has_key: '?',
  _has_keys_any: '?|',
  _has_keys_all: '?&',
  _jsonb_path_exists: '@?',
  _jsonb_path_match: '@@',
  _ancestor: '@>',
  _ancestor_any: '@> any',
  _descendant: '<@',
  _descendant_any: '<@ any',
  _matches: '~',
};

const OPERAND_TYPES: Readonly<Record<string, string>> = {
  _matches: 'lquery',
  _jsonb_path_exists: 'jsonpath',
  _jsonb_path_match: 'jsonpath',
};

/** The column compared with a value, both as they are typed. */
export function comparison(
  value: string,
  column: ColumnModel,
  given: { operator: string; value: Value | readonly Value[]; cast: boolean },
): string {
  const { bare } = typeOf(column.type);
  const { operator } = given;
  const left = given.cast ? `${value}::text` : value;
  const type = given.cast ? 'text' : (OPERAND_TYPES[operator] ?? (takesText(operator) ? 'text' : bare));
  if (!isList(given.value)) return `(${left} ${spelled(operator)} ${text(given.value.text)}::${type})`;
  const list = given.value.map((one) => `${text(one.text)}::${type}`);
  if (operator === '_in') return list.length === 0 ? 'false' : `(${left} in (${list.join(', ')}))`;
  if (operator === '_nin') return list.length === 0 ? 'true' : `(${left} not in (${list.join(', ')}))`;
  return `(${left} ${spelled(operator)} (array[${list.join(', ')}]::${type}[]))`;
}

/** How an operator is written. */
export function spelled(operator: string): string {
  return SPELLED[operator] ?? operator;
}

/** A permission rule over the tables themselves, whose rows other rules do not narrow. */
export function ruleSql(
  world: World,
  rule: Condition,
  at: { table: TableModel; alias: string; root: string; rootTable: TableModel },
): string {
  const { table, alias } = at;
  const cell = (name: string): string => `${alias}.${quoted(name)}`;
  const inner = (of: Condition): string => ruleSql(world, of, at);
  switch (rule.kind) {
    case 'true':
      return 'true';
    case 'compare':
      return ruleComparison(world, table, cell(rule.column), rule);
    case 'null':
      return `(${cell(rule.column)} is ${rule.isNull ? '' : 'not '}null)`;
    case 'and':
      return `(${['true', ...rule.of.map(inner)].join(' and ')})`;
    case 'or':
      return `(${['false', ...rule.of.map(inner)].join(' or ')})`;
    case 'not':
      return `(not ${inner(rule.of)})`;
    case 'columns': {
      const other = `${rule.root ? at.root : alias}.${quoted(rule.other)}`;
      return `(${cell(rule.column)} ${spelled(rule.operator)} ${other})`;
    }
    case 'exists': {
      const to = tableNamed(world, rule.table);
      const next = `${alias}_`;
      return `exists (select from ${relation(to)} ${next} where ${ruleSql(world, rule.of, { ...at, table: to, alias: next })})`;
    }
    case 'related': {
      const relationship = relationshipNamed(table, rule.relationship);
      const to = tableNamed(world, relationship.to);
      const next = `${alias}_`;
      const on = relationship.on.map(([left, right]) => `${cell(left)} = ${next}.${quoted(right)}`);
      return `exists (select from ${relation(to)} ${next} where ${[...on, ruleSql(world, rule.of, { ...at, table: to, alias: next })].join(' and ')})`;
    }
    case 'aggregate':
      return ruleAggregate(world, rule, at);
  }
}

function ruleAggregate(
  world: World,
  rule: Extract<Condition, { kind: 'aggregate' }>,
  at: Parameters<typeof ruleSql>[2],
): string {
  const relationship = relationshipNamed(at.table, rule.relationship);
  const to = tableNamed(world, relationship.to);
  const next = `${at.alias}_`;
  const on = relationship.on.map(([left, right]) => `${at.alias}.${quoted(left)} = ${next}.${quoted(right)}`);
  const filter =
    rule.filter === null ? 'true' : ruleSql(world, rule.filter, { ...at, table: to, alias: next });
  const cells = rule.columns.map((name) => `${next}.${quoted(name)}`);
  const from = `${relation(to)} ${next} where ${[...on, filter].join(' and ')}`;
  return `((select ${called(rule, cells)} from ${from}) ${spelled(rule.operator)} ${rule.value})`;
}

/** What an aggregate predicate compares; of several cells it counts the rows in which each has a value. */
export function called(
  { function: name, distinct }: Extract<Condition, { kind: 'aggregate' }>,
  cells: readonly string[],
): string {
  if (name !== 'count') return `${name}(${distinct ? 'distinct ' : ''}${cells.join()})`;
  const present = cells.map((cell) => `${cell} is not null`).join(' and ');
  return counted(cells, distinct) + (cells.length > 1 ? ` filter (where ${present})` : '');
}

/** Rows, those in which a cell has a value, or all in which several are one value. */
export function counted(cells: readonly string[], distinct: boolean): string {
  if (cells.length === 0) return 'count(*)';
  const of = cells.length === 1 ? cells[0] : `row(${cells.join(', ')})`;
  return `count(${distinct ? 'distinct ' : ''}${of})`;
}

type Compare = Extract<Condition, { kind: 'compare' }>;

/** What a rule says, which may name a session variable for its value. */
function ruleComparison(world: World, table: TableModel, cell: string, rule: Compare): string {
  const column = columnNamed(table, rule.column);
  const variable = sessionOf(world, table, rule);
  if (variable !== null && takesList(rule.operator)) {
    const type = rule.operator.startsWith('_has') ? 'text' : typeOf(column.type).bare;
    const values = `${text(variable.value)}::${type}[]`;
    if (rule.operator === '_in') return `(${cell} = any (${values}))`;
    return rule.operator === '_nin'
      ? `(${cell} <> all (${values}))`
      : `(${cell} ${spelled(rule.operator)} (${values}))`;
  }
  const given = variable === null ? rule : { ...rule, value: { text: variable.value, json: variable.value } };
  return comparison(cell, column, given);
}

/** The session variable a rule's comparison takes its value from, when it does. */
export function sessionOf(
  world: World,
  table: TableModel,
  rule: Compare,
): { readonly name: string; readonly value: string } | null {
  if (!rule.variable || rule.cast) return null;
  const name = `x-hasura-${columnNamed(table, rule.column).type}${takesList(rule.operator) ? '-list' : ''}`;
  const value = world.session[name];
  return value === undefined ? null : { name, value };
}
