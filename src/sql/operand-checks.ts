import type { Param } from '../plan/plan.ts';
import { parameterType } from './encode.ts';
import { baseType } from './leaf.ts';
import { allOf, parameter, type Sql, sql, syntax } from './sql.ts';

/**
 * ` where …` that always holds: it reads, before any row, the operands that Postgres would else read only when it compares
 * a row. An operand it refuses fails in every request, also where the only rows it would meet are hidden from the role.
 * `unread` are operands that nothing else in the statement reads.
 */
export function checkedOperands(params: readonly Param[], unread: readonly Sql[] = []): Sql {
  const patterns = params.flatMap((param, index) => {
    const check = checkOf(param, parameter({ kind: 'plan', index }));
    return check === null ? [] : [check];
  });
  const checks = [...patterns, ...unread.map((operand) => sql`(${operand}) is not null`)];
  return checks.length === 0 ? syntax('') : sql` where ${allOf(checks)}`;
}

function checkOf(param: Param, value: Sql): Sql | null {
  if (param.pattern === 'regex') return sql`('' ~ ${value}::text) is not null`;
  if (param.pattern === 'similar') return sql`('' similar to ${value}::text) is not null`;
  return param.list && baseType(param.type).kind === 'array' ? listCheck(param, value) : null;
}

/** Values of a type that not every database has were read with the request, and can only lack the form of an array. */
function listCheck({ type }: Param, value: Sql): Sql {
  const { element } = baseType(type);
  const isEverywhere = element !== null && baseType(element).schema === 'pg_catalog';
  const array = isEverywhere ? parameterType(type, false) : syntax('text[]');
  return sql`(select count(v::${array}) from unnest(${value}::text[]) v) >= 0`;
}
