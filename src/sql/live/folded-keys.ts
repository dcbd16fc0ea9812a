import type { ColumnType, JoinPair } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { constant, type Sql, sql } from '../sql.ts';
import { bareType } from '../types.ts';

// `citext` values are equal when their database writes them alike in small letters. Where two databases have different
// letters, rows are joined as the source sees it, and the target has to bring every row that the source could take for one
// of a key's.

/** Whether a type's values are equal whatever their case. */
export function isCaseless(type: ColumnType): boolean {
  const base = baseType(type);
  return (base.kind === 'array' && base.element !== null ? baseType(base.element) : base).name === 'citext';
}

/** Whether two columns are joined whatever the case, between databases with different letters. */
export function isFolded({ left, right }: JoinPair): boolean {
  const isApart = left.ownLocale !== undefined || right.ownLocale !== undefined;
  return isApart && isCaseless(left.type) && isCaseless(right.type);
}

/** A key as the source writes it in small letters: one text for all that it takes for equal. */
export function smallKey(key: Sql): Sql {
  return sql`lower(${key}::text collate "default")`;
}

/** The same in the source's capitals. */
export function capitalKey(key: Sql): Sql {
  return sql`upper(${smallKey(key)})`;
}

/** A key as it comes to the target, in small letters and in capitals. */
export interface FoldedKey {
  readonly pair: JoinPair;
  readonly small: Sql;
  readonly capital: Sql;
}

/** Holds where the target takes a value for the key; an index finds such rows. */
export function takenSql({ pair, small }: FoldedKey, value: Sql): Sql {
  return sql`${value} = ${small}::${bareType(pair.right.type)}`;
}

/** Holds where the target takes the key's capitals for the key: then it takes for equal whatever the source does. */
export function knownSql({ pair, small, capital }: FoldedKey): Sql {
  const type = bareType(pair.right.type);
  return sql`${small}::${type} = ${capital}::${type}`;
}

/** Holds of every value that any database could take for the key, and of others. */
export function likeSql({ small }: FoldedKey, value: Sql): Sql {
  return sql`${outline(value)} = ${outline(small)}`;
}

/**
 * What a text has in common with all texts that any locale takes for equal. ASCII letters have the same capitals everywhere,
 * except `i` and `k`. These two and all characters beyond ASCII have their capitals among themselves, one letter perhaps
 * two: so runs of them are left out.
 */
function outline(text: Sql): Sql {
  const others = constant(String.raw`[^\x01-HJL-hjl-\x7f]+`);
  return sql`lower(regexp_replace(${text}::text collate "C", ${others}, '*', 'g'))`;
}
