import { condition, type Scene } from './generate-condition.ts';
import type { Random } from './random.ts';
import { TYPES, type TypeName, typeOf } from './value-types.ts';
import {
  type ColumnModel,
  type Generated,
  type PermissionModel,
  type RelationshipModel,
  ROLES,
  type Row,
  type TableModel,
  type World,
} from './world.ts';

// A world is made in steps, each adding to the one before: tables, relationships, rows, permissions.

/** Types that a mapping's columns have most often: small families, so that keys meet. */
const LINKS: readonly TypeName[] = [
  'int',
  'int',
  'big',
  'small',
  'text',
  'varchar',
  'uuid',
  'date',
  'citext',
  'char',
  'positive',
  'timestamptz',
  'mood',
  'ltree',
  'numeric',
  'interval',
  'double',
];
const KEYS: readonly TypeName[] = [
  'int',
  'int',
  'int',
  'big',
  'text',
  'uuid',
  'small',
  'varchar',
  'date',
  'citext',
  'numeric',
  'interval',
];
const ALL = Object.keys(TYPES) as readonly TypeName[];

/** Names that need quotes, clash with words of SQL or GraphQL, or are long. */
const TABLE_NAMES = [
  'order',
  'User Data',
  'group',
  'items',
  'Ünï"code',
  'select',
  'a_rather_long_name_for_a_table_that_postgres_still_keeps_whole',
  'x',
];
const COLUMN_NAMES = [
  'select',
  'Mixed Case',
  'a-b',
  'order',
  'say "hi"',
  'limit',
  'count',
  'nodes',
  'ö',
  'id2',
  'value',
  'r',
  'v0',
  'a.b',
  '$1',
  "it's; --",
  `${'n'.repeat(62)}1`,
  `${'n'.repeat(62)}2`,
  `${'ü'.repeat(31)}x`,
];

/** Two or three databases with three to six tables, some native queries, their rows, and what two roles see of them. */
export function generateWorld(random: Random): World {
  const databases = ['pg1', 'pg2', 'pg3'].slice(0, random.pick([2, 3, 3]));
  const count = random.int(3, 6);
  const bare = Array.from({ length: count + random.int(0, 3) }, (_, i) => {
    const database = databases[i] ?? random.pick(databases);
    const table = tableModel(random, i, database);
    return i < count ? table : { ...table, isView: false, isQuery: true };
  });
  const related = bare.map((table) => ({ ...table, relationships: relationships(random, table, bare) }));
  const filled = related.map((table) => ({ ...table, rows: rowsOf(random, table) }));
  const world = {
    tables: filled,
    sharedTypes: random.chance(0.8),
    naming: naming(random),
    cramped: { liveInlineRows: random.pick([0, 0, 3]), liveProbeRows: random.pick([1, 2, 4]) },
    stringify: random.chance(0.15),
    brittle: false,
    session: session(random),
    otherSession: session(random),
  };
  return {
    ...world,
    tables: filled.map((table) => ({ ...table, permissions: permissions(random, world, table) })),
  };
}

function naming(random: Random): World['naming'] {
  const some = (text: string): string => (random.chance(0.1) ? text : '');
  const namespaced = random.chance(0.1);
  return {
    convention: random.chance(0.15) ? 'graphql-default' : 'hasura-default',
    prefix: some('fpre_'),
    suffix: some('_fsuf'),
    typePrefix: some('tpre_'),
    typeSuffix: some('_tsuf'),
    namespaced,
  };
}

function tableModel(random: Random, index: number, database: string): TableModel {
  const names = new Set<string>();
  const named = (plain: string): string => {
    const odd = random.chance(0.3) ? random.pick(COLUMN_NAMES) : plain;
    const name = names.has(odd) ? plain : odd;
    names.add(name);
    return name;
  };
  const column = (plain: string, type: TypeName, notNull: boolean): ColumnModel => {
    const name = named(plain);
    const isPlain = /^[a-z][a-z0-9_]*$/.test(name) && random.chance(0.9);
    return { name, field: isPlain ? name : `f_${plain}`, type, notNull, generated: null };
  };
  const keys = Array.from({ length: random.chance(0.35) ? 2 : 1 }, (_, i) =>
    column(`k${i}`, random.pick(KEYS), true),
  );
  const links = Array.from({ length: random.int(1, 4) }, (_, i) =>
    column(`l${i}`, random.pick(LINKS), false),
  );
  const plain = random.some(ALL, 2, 7).map((type) => column(`c_${type}`, type, random.chance(0.2)));
  const hasFullIdentity = random.chance(0.15);
  const generated = random.some([...links, ...plain], 0, random.pick([0, 0, 1, 2])).map((base, i) => ({
    ...column(`g${i}`, base.type, false),
    generated: { of: base.name, kept: kept(random, base, hasFullIdentity) },
  }));
  const others = [...plain, ...generated];
  const name = random.chance(0.4) ? `${random.pick(TABLE_NAMES).slice(0, 60)}${index}` : `t${index}`;
  return {
    field: `t${index}`,
    schema: random.chance(0.2) ? 'Other Schema' : 'public',
    name,
    database,
    columns: random.chance(0.5) ? [...keys, ...links, ...others] : [...others, ...links, ...keys],
    key: keys.map((one) => one.name),
    relationships: [],
    permissions: [],
    isView: random.chance(0.12),
    isQuery: false,
    isPartitioned: random.chance(0.15),
    hasFullIdentity,
    isSparse: random.chance(0.2),
    rows: [],
  };
}

/** Postgres holds values of its own types alone without storing them, and has them in no whole row of a change. */
function kept(random: Random, { type }: ColumnModel, hasFullIdentity: boolean): Generated['kept'] {
  const { own, isEnum } = typeOf(type);
  const mayBeVirtual = own !== true && isEnum !== true && !hasFullIdentity;
  return mayBeVirtual && random.chance(0.4) ? 'virtual' : 'stored';
}

function relationships(
  random: Random,
  table: TableModel,
  tables: readonly TableModel[],
): readonly RelationshipModel[] {
  const wanted = random.int(1, 4);
  // A native query is followed within its database only.
  const reachable = tables.filter(({ isQuery, database }) => !isQuery || database === table.database);
  // Few are the ways through a native query into another database.
  const rare = reachable.filter(({ isQuery, database }) =>
    table.isQuery ? database !== table.database : isQuery,
  );
  const found: RelationshipModel[] = [];
  for (let i = 0; i < wanted; i += 1) {
    const to = random.pick(rare.length > 0 && random.chance(0.6) ? rare : reachable);
    const kind = random.chance(0.5) ? 'object' : 'array';
    const on = mapping(random, table, to, kind);
    if (on !== null)
      found.push({
        name: `rel${i}`,
        kind,
        to: to.field,
        on,
        follow: random.pick(['all', 'all', 'object', 'none']),
      });
  }
  return found;
}

/** Object relationships lead to a key where the types allow it, array relationships from one; some do neither. */
function mapping(
  random: Random,
  left: TableModel,
  right: TableModel,
  kind: 'object' | 'array',
): RelationshipModel['on'] | null {
  // Of several rows the one with the least key is shown, and a view has no key.
  const isLoose = random.chance(0.15) && !right.isView;
  const keys = (table: TableModel): readonly ColumnModel[] =>
    table.columns.filter(({ name }) => table.key.includes(name));
  const anyOf = (table: TableModel): readonly ColumnModel[] => random.some(table.columns, 1, 2);
  const pairs: [string, string][] = [];
  if (kind === 'object') {
    for (const target of isLoose ? anyOf(right) : keys(right)) {
      const fitting = left.columns.filter((column) => fits(column, target));
      if (fitting.length === 0) return null;
      pairs.push([random.pick(fitting).name, target.name]);
    }
  } else {
    for (const own of isLoose ? anyOf(left) : keys(left)) {
      const fitting = right.columns.filter((column) => fits(own, column));
      if (fitting.length === 0) return null;
      pairs.push([own.name, random.pick(fitting).name]);
    }
  }
  return new Set(pairs.map(([one]) => one)).size === pairs.length ? pairs : null;
}

function fits(left: ColumnModel, right: ColumnModel): boolean {
  const family = typeOf(left.type).family;
  return family !== null && family === typeOf(right.type).family;
}

function rowsOf(random: Random, table: TableModel): readonly Row[] {
  const rows = Array.from({ length: random.int(0, 12) }, () => generateRow(random, table));
  const seen = new Set<string>();
  return rows.filter((row) => {
    const key = keyText(table, row);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Texts of the key's cells, told apart as loosely as any of the key types does. */
function keyText(table: TableModel, row: Row): string {
  const cells = table.columns.map((column, i) => (table.key.includes(column.name) ? row[i] : null));
  return JSON.stringify(cells).toLowerCase();
}

/** A row with cells of the columns' types, nulls where they may be. */
export function generateRow(random: Random, { columns, isSparse }: TableModel): Row {
  return columns.map((column) =>
    !column.notNull && random.chance(isSparse ? 0.7 : 0.15)
      ? null
      : random.pick(typeOf(column.type).values).text,
  );
}

/** A value and a list of values for every type, as they can be sent in headers. */
function session(random: Random): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const name of ALL) {
    const { values, list } = typeOf(name);
    if (list === true) continue;
    const sendable = values.filter(({ text }) => /^[\x20-\x7e]+$/.test(text) && text.trim() === text);
    variables[`x-hasura-${name}`] = random.pick(sendable).text;
    const several = random.some(sendable, 0, 3).map(({ text }) => `"${text.replace(/[\\"]/g, '\\$&')}"`);
    variables[`x-hasura-${name}-list`] = `{${several.join(',')}}`;
  }
  return variables;
}

function permissions(random: Random, world: World, table: TableModel): readonly PermissionModel[] {
  return ROLES.flatMap((role): readonly PermissionModel[] => {
    if (random.chance(0.12)) return [];
    const scene: Scene = { random, world, role: 'admin', isRule: true };
    const names = table.columns.map(({ name }) => name);
    const shown = random.chance(0.4) ? names : random.some(names, 1);
    return [
      {
        role,
        columns: random.chance(0.6) ? [...new Set([...table.key, ...shown])] : shown,
        filter: random.chance(0.25) ? { kind: 'true' } : condition(scene, table, 2),
        limit: random.chance(0.2) ? random.int(0, 4) : null,
        aggregate: random.chance(0.75),
      },
    ];
  });
}
