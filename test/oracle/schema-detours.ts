import {
  insertRows,
  keyNamed,
  madeAgain,
  partitionsOf,
  primaryKey,
  quoted,
  relation,
} from './database-of.ts';
import { generateRow } from './generate-world.ts';
import type { Random } from './random.ts';
import { typeOf } from './value-types.ts';
import { type ColumnModel, type Row, type TableModel, type World, writableOf } from './world.ts';

/** Statements on a table's database, and what they come to where everything is; null where that is nothing that plain SQL can tell of. */
export interface SchemaChange {
  readonly statements: readonly string[];
  readonly truth: readonly string[] | null;
}

/** A way of a table's schema to something else and back. */
export interface Detour {
  readonly what: string;
  readonly table: TableModel;
  readonly there: SchemaChange;
  readonly back: SchemaChange;
  /** Whether nothing that is asked may be refused on the way. */
  readonly isSeamless: boolean;
  /** Whether rows of its database may be written on the way. */
  readonly takesWrites?: true;
}

type Maker = (scene: Scene) => Detour | null;

interface Scene {
  readonly random: Random;
  readonly world: World;
  readonly table: TableModel;
  /** `alter table …`. */
  readonly alter: string;
}

/** A detour of a table; null for what is none. */
export function generateDetour(random: Random, world: World): Detour | null {
  const tables = world.tables.filter(({ isView, isQuery }) => !isView && !isQuery);
  if (tables.length === 0) return null;
  const isCopied = ({ field, database }: TableModel): boolean =>
    world.tables.some(
      (other) => other.database !== database && other.relationships.some(({ to }) => to === field),
    );
  const copied = tables.filter(isCopied);
  const table = random.pick(copied.length > 0 && random.chance(0.8) ? copied : tables);
  const scene = { random, world, table, alter: `alter table ${relation(table)}` };
  return random.pick(MAKERS)(scene);
}

const MAKERS: readonly Maker[] = [
  columnAdded,
  columnDropped,
  columnRenamed,
  columnsSwapped,
  typeChanged,
  tableRenamed,
  tableMoved,
  tableMadeAgain,
  partitionDetached,
  identityChanged,
  keyDropped,
  indexMade,
  tableRewritten,
];

/** What plain SQL answers the same before and after it. */
const nothing = (...statements: readonly string[]): SchemaChange => ({ statements, truth: [] });
const unknown = (...statements: readonly string[]): SchemaChange => ({ statements, truth: null });

function columnAdded({ random, table, alter }: Scene): Detour {
  const type = random.pick(['int', 'int not null default 5', 'text default md5(random()::text)']);
  return {
    what: `a column added to ${table.field}`,
    table,
    there: nothing(`${alter} add column "added" ${type}`),
    back: nothing(`${alter} drop column "added"`),
    isSeamless: true,
    takesWrites: true,
  };
}

function columnDropped({ random, table, alter }: Scene): Detour | null {
  const column = anyOf(random, loose(table));
  if (column === null) return null;
  const name = quoted(column.name);
  return {
    what: `column ${name} of ${table.field} dropped and made again`,
    table,
    there: unknown(`${alter} drop column ${name}`),
    back: {
      statements: [`${alter} add column ${name} ${typeOf(column.type).sql}`],
      truth: [`update ${relation(table)} set ${name} = null`],
    },
    isSeamless: false,
  };
}

function columnRenamed({ random, table, alter }: Scene): Detour | null {
  const name = quoted(random.pick(table.columns).name);
  return {
    what: `column ${name} of ${table.field} renamed`,
    table,
    there: unknown(`${alter} rename column ${name} to "renamed"`),
    back: nothing(`${alter} rename column "renamed" to ${name}`),
    isSeamless: false,
  };
}

/** Two columns of one type take each other's names. */
function columnsSwapped({ random, table, alter }: Scene): Detour | null {
  const columns = loose(table);
  const pairs = columns.flatMap((one) =>
    columns.flatMap((other) => (one !== other && one.type === other.type ? [[one, other] as const] : [])),
  );
  if (pairs.length === 0) return null;
  const [one = '', other = ''] = random.pick(pairs).map(({ name }) => quoted(name));
  const swap = {
    statements: [
      `${alter} rename column ${one} to "renamed"`,
      `${alter} rename column ${other} to ${one}`,
      `${alter} rename column "renamed" to ${other}`,
    ],
    truth: [`update ${relation(table)} set ${one} = ${other}, ${other} = ${one}`],
  };
  return {
    what: `columns ${one} and ${other} of ${table.field} swapped`,
    table,
    there: swap,
    back: swap,
    isSeamless: false,
  };
}

function typeChanged({ random, table, alter }: Scene): Detour | null {
  const columns = table.columns.filter(
    (column) => isFree(table, column) && !(table.isPartitioned && table.key.includes(column.name)),
  );
  const column = anyOf(random, columns);
  if (column === null) return null;
  const name = quoted(column.name);
  const { sql, family } = typeOf(column.type);
  const other = family === 'integer' && random.chance(0.6) ? 'numeric' : 'text';
  const change = (type: string): string =>
    `${alter} alter column ${name} type ${type} using ${name}::${type}`;
  return {
    what: `type of column ${name} of ${table.field} changed`,
    table,
    there: unknown(change(other)),
    back: nothing(change(sql)),
    isSeamless: false,
  };
}

function tableRenamed({ table, alter }: Scene): Detour {
  return {
    what: `table ${table.field} renamed`,
    table,
    there: unknown(`${alter} rename to "renamed"`),
    back: nothing(`alter table ${relation({ ...table, name: 'renamed' })} rename to ${quoted(table.name)}`),
    isSeamless: false,
  };
}

function tableMoved({ table, alter }: Scene): Detour {
  const schema = table.schema === 'public' ? 'Other Schema' : 'public';
  return {
    what: `table ${table.field} moved to another schema`,
    table,
    there: unknown(`${alter} set schema ${quoted(schema)}`),
    back: nothing(`alter table ${relation({ ...table, schema })} set schema ${quoted(table.schema)}`),
    isSeamless: false,
  };
}

/** At once with other rows, or gone for a while. */
function tableMadeAgain({ random, world, table }: Scene): Detour {
  const rows = Array.from({ length: random.int(0, 5) }, () => generateRow(random, table));
  const made = [...madeAgain(world, table), ...(rows.length === 0 ? [] : [insertRows(table, rows)])];
  const drop = `drop table ${relation(table)} cascade`;
  const isAtOnce = random.chance(0.5);
  return {
    what: `table ${table.field} dropped and made again${isAtOnce ? ' at once' : ''}`,
    table,
    there: isAtOnce ? nothing('select 1') : unknown(drop),
    back: { statements: isAtOnce ? [drop, ...made] : made, truth: emptied(table, rows) },
    isSeamless: false,
  };
}

function emptied(table: TableModel, rows: readonly Row[]): readonly string[] {
  const empty = `truncate ${relation(table)}`;
  return rows.length === 0 ? [empty] : [empty, insertRows(table, rows)];
}

function partitionDetached({ random, table, alter }: Scene): Detour | null {
  if (!table.isPartitioned) return null;
  const remainder = random.int(0, 1);
  const part = partitionsOf(table)[remainder] ?? '';
  const everywhere = (statement: string): SchemaChange => ({ statements: [statement], truth: [statement] });
  return {
    what: `a partition of ${table.field} detached`,
    table,
    there: everywhere(`${alter} detach partition ${part}`),
    back: everywhere(`${alter} attach partition ${part} for values with (modulus 2, remainder ${remainder})`),
    isSeamless: true,
  };
}

function identityChanged({ random, table }: Scene): Detour | null {
  if (table.columns.some(({ generated }) => generated?.kept === 'virtual')) return null;
  const names = [relation(table), ...(table.isPartitioned ? partitionsOf(table) : [])];
  const become = (identity: string): SchemaChange =>
    nothing(...names.map((name) => `alter table ${name} replica identity ${identity}`));
  const usual = table.hasFullIdentity ? 'full' : 'default';
  const other = random.pick([table.hasFullIdentity ? 'default' : 'full', 'nothing']);
  return {
    what: `replica identity of ${table.field} ${other}`,
    table,
    there: become(other),
    back: become(usual),
    isSeamless: true,
  };
}

function keyDropped({ table, alter }: Scene): Detour {
  return {
    what: `primary key of ${table.field} dropped`,
    table,
    there: unknown(`${alter} drop constraint ${quoted(keyNamed(table.field))}`),
    back: nothing(`${alter} add ${primaryKey(table)}`),
    isSeamless: false,
  };
}

function indexMade({ random, table }: Scene): Detour {
  const isUnique = random.chance(0.5);
  const sortable = table.columns.filter(
    ({ type, generated }) => typeOf(type).operators.includes('_lt') && generated?.kept !== 'virtual',
  );
  const columns = isUnique ? table.key : [random.pick(sortable).name];
  return {
    what: `an index of ${table.field} made`,
    table,
    there: nothing(
      `create ${isUnique ? 'unique ' : ''}index "made" on ${relation(table)} (${columns.map(quoted).join(', ')})`,
    ),
    back: nothing(`drop index ${relation({ ...table, name: 'made' })}`),
    isSeamless: true,
    takesWrites: true,
  };
}

function tableRewritten({ random, table }: Scene): Detour {
  const rewrite = nothing(`vacuum full ${relation(table)}`);
  const analyze = nothing(`analyze ${relation(table)}`);
  return {
    what: `table ${table.field} rewritten`,
    table,
    there: rewrite,
    back: random.pick([rewrite, analyze]),
    isSeamless: true,
    takesWrites: true,
  };
}

/** Columns that may be without a value and that nothing hangs on. */
function loose(table: TableModel): readonly ColumnModel[] {
  return table.columns.filter(
    (column) => isFree(table, column) && !column.notNull && !table.key.includes(column.name),
  );
}

function isFree(table: TableModel, column: ColumnModel): boolean {
  const isBase = table.columns.some(({ generated }) => generated?.of === column.name);
  return writableOf(table).includes(column) && !isBase && typeOf(column.type).isEnum !== true;
}

function anyOf<T>(random: Random, list: readonly T[]): T | null {
  return list.length === 0 ? null : random.pick(list);
}
