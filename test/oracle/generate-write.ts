import { insertRows, quoted, relation, text } from './database-of.ts';
import { generateRow } from './generate-world.ts';
import type { Random } from './random.ts';
import { typeOf } from './value-types.ts';
import { databasesOf, type Row, type TableModel, type World, writableOf } from './world.ts';

/** One transaction of one database, replayed on the database that holds everything. */
export interface Write {
  readonly database: string;
  readonly statements: readonly string[];
}

/** Long and hard to compress, so that it is stored apart from its row and later left out of the row's changes. */
const STORED_APART = `(select string_agg(md5(i::text), '') from generate_series(1, 300) i)`;

/**
 * Inserts, updates, key changes, deletes, now and then a truncate or a value stored apart from its row; to any database or to one.
 * Some are taken back.
 */
export function generateWrite(random: Random, world: World, within?: string): Write {
  const database = within ?? random.pick(databasesOf(world));
  const tables = world.tables.filter((table) => table.database === database);
  return {
    database,
    statements: Array.from({ length: random.int(1, 6) }, () => {
      const made = statement(random, random.pick(tables));
      return random.chance(0.1) ? `savepoint s; ${made}; rollback to s` : made;
    }),
  };
}

function statement(random: Random, table: TableModel): string {
  const dice = random.int(0, 29);
  const row = generateRow(random, table);
  const at = condition(table, random.chance(0.8) && table.rows.length > 0 ? random.pick(table.rows) : row);
  const others = writableOf(table).filter(({ name }) => !table.key.includes(name));
  if (dice === 0) return `truncate ${relation(table)}`;
  if (dice < 5) return `delete from ${relation(table)} where ${at}`;
  if (dice < 9) {
    const keys = assignments(table, row, writableOf(table));
    return `update ${relation(table)} set ${keys} where ${at} and not exists (select from ${relation(table)} where ${condition(table, row)})`;
  }
  if (dice < 18)
    return `update ${relation(table)} set ${assignments(table, row, random.some(others, 1, 2))} where ${at}`;
  const long = others.find(({ type, name }) => type === 'text' && name === 'c_text');
  if (dice < 21 && long !== undefined)
    return `update ${relation(table)} set ${quoted(long.name)} = ${STORED_APART} where ${at}`;
  return dice < 24 ? upsert(random, table, row) : insertRows(table, [row]);
}

/** A row that takes the place of the one with its key, but for most of its columns. */
function upsert(random: Random, table: TableModel, row: Row): string {
  const taken = `on conflict (${table.key.map(quoted).join(', ')}) do update set`;
  return insertRows(
    table,
    [row],
    `${taken} ${assignments(table, row, random.some(writableOf(table), 1, 2))}`,
  );
}

function assignments(table: TableModel, row: Row, columns: TableModel['columns']): string {
  return columns
    .map((column) => `${quoted(column.name)} = ${text(row[table.columns.indexOf(column)])}`)
    .join(', ');
}

function condition(table: TableModel, row: Row): string {
  const keys = table.columns.flatMap(({ name, type }, i) =>
    table.key.includes(name) ? [`${quoted(name)} = ${text(row[i])}::${typeOf(type).bare}`] : [],
  );
  return keys.join(' and ');
}
