import type { Queryable } from '../../cache/queryable.ts';
import { told } from '../../cache/told.ts';
import { type TableRef, tableKey } from '../../core/names.ts';
import { sqlStateOf, UNTRANSLATABLE_CHARACTER } from '../../core/postgres/sql-state.ts';

const NOT_ASCII = /[^\p{ASCII}]/u;

/** Which names the source's encoding holds: of a table whose name it lacks a character of, nothing can be noted there. */
export class HoldableNames {
  readonly #known = new Map<string, boolean>();
  readonly #told = new Set<string>();

  /** Whether it is the first time that somebody wants to say of a table that its name is not held. */
  isNews(table: TableRef): boolean {
    const key = tableKey(table);
    const isFirst = !this.#told.has(key);
    this.#told.add(key);
    return isFirst;
  }

  /** Asks inside a transaction of the session that writes the copies. */
  async areHeld(client: Queryable, { schema, name }: TableRef): Promise<boolean> {
    const key = tableKey({ schema, name });
    const known = NOT_ASCII.test(schema + name) ? this.#known.get(key) : true;
    if (known !== undefined) return known;
    const isHeld = await isText(client, schema + name);
    this.#known.set(key, isHeld);
    return isHeld;
  }
}

async function isText(client: Queryable, text: string): Promise<boolean> {
  await client.query('savepoint naming');
  try {
    await client.query(`select convert($1::bytea, 'UTF8', getdatabaseencoding())`, [told(text)]);
    return true;
  } catch (error) {
    if (sqlStateOf(error) !== UNTRANSLATABLE_CHARACTER) throw error;
    await client.query('rollback to savepoint naming');
    return false;
  }
}
