import { concatenated, constant, type Sql, sql, syntax } from '../sql.ts';

/** A JSON object of members that are JSON text and never null. */
export function membersJson(members: readonly { readonly key: string; readonly value: Sql }[]): Sql {
  const parts: Sql[] = [constant('{')];
  members.forEach(({ key, value }, i) => {
    parts.push(constant(`${i === 0 ? '' : ','}${JSON.stringify(key)}:`), value);
  });
  parts.push(constant('}'));
  return concatenated(parts);
}

/** How the rows of a list are cut, and sorted where what stands beside the list may sort them otherwise. */
interface ListTail {
  readonly filter: Sql;
  readonly order: Sql;
}

/** JSON texts of rows as one list, by default in the order the rows arrive: nothing above may sort them again. */
export function joinedList(
  row: Sql,
  { filter, order }: ListTail = { filter: syntax(''), order: syntax('') },
): Sql {
  return sql`coalesce(${constant('[')} || string_agg(${row}, ${constant(',')}${order})${filter} || ${constant(']')}, ${constant('[]')})`;
}
