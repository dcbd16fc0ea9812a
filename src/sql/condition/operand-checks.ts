import type { ColumnType, KnownTypes } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { must } from '../../core/assert.ts';
import type { Operand, Param } from '../../plan/plan.ts';
import type { Build } from '../place/scope.ts';
import { printStatement } from '../print.ts';
import { allOf, parameter, type Sql, sql, syntax, typedParameter } from '../sql.ts';
import type { Statement } from '../statement.ts';
import { bareType, isSplitElsewhere } from '../types.ts';
import { operandSql } from './operand.ts';

/**
 * ` where …` that always holds: it reads, before any row, the operands that Postgres would else read only when it compares a
 * row. An operand it refuses fails in every request, also where the only rows it would meet are hidden from the role.
 * `unread` are operands that nothing else in the statement reads. Where Postgres knows that there are no rows it evaluates
 * no `where`: a statement that aggregates them has a `having`.
 */
export function checkedOperands(
  params: readonly Param[],
  unread: readonly Sql[] = [],
  keyword: 'where' | 'having' = 'where',
): Sql {
  const patterns = params.flatMap((param, index) => {
    const check = checkOf(param, parameter({ kind: 'plan', index }));
    return check === null ? [] : [check];
  });
  const checks = [...patterns, ...unread.map((operand) => sql`(${operand}) is not null`)];
  return checks.length === 0 ? syntax('') : sql` ${syntax(keyword)} ${allOf(checks)}`;
}

/**
 * A statement that reads some of a request's operands, in their order, and nothing else. `known` are the types of the
 * database that will run it; null where all operands are for that database. Operands that it has no type for are `left`.
 */
export function operandsStatement(
  params: readonly Param[],
  indices: readonly number[],
  known: KnownTypes | null,
): { readonly statement: Statement; readonly left: readonly number[] } {
  const read: Sql[] = [];
  const left: number[] = [];
  for (const index of indices) {
    const operand = { kind: 'param', index } as const;
    if (isListOfArrays(must(params[index], `parameter ${index}`))) continue;
    const here = known === null ? [operandSql(operand, { params })] : readHere(operand, { params }, known);
    if (here.length === 0) left.push(index);
    else read.push(...here);
  }
  return { statement: printStatement(sql`select 1${checkedOperands(params, read)}`), left };
}

/** The operand as its type is called here; nothing where another database's own type cannot be named. */
export function readHere(operand: Operand, build: Pick<Build, 'params'>, known: KnownTypes): readonly Sql[] {
  const { type, list } = must(build.params[operand.index], `parameter ${operand.index}`);
  if (isKnownEverywhere(type)) return [operandSql(operand, build)];
  const same = known.extension.get(baseType(type).name);
  if (same === undefined || (list && isSplitElsewhere(type))) return [];
  return [typedParameter({ kind: 'plan', index: operand.index }, syntax(list ? `${same}[]` : same))];
}

/** Whether its members are always checked, one by one. */
export function isListOfArrays({ list, type }: Param): boolean {
  return list && baseType(type).kind === 'array';
}

/** Another database's own types cannot be named here. */
function isKnownEverywhere(type: ColumnType): boolean {
  const { schema, element } = baseType(type);
  return schema === 'pg_catalog' && (element === null || isKnownEverywhere(element));
}

function checkOf(param: Param, value: Sql): Sql | null {
  if (param.pattern === 'regex') return sql`('' ~ ${value}::text) is not null`;
  if (param.pattern === 'similar') return sql`('' similar to ${value}::text) is not null`;
  return isListOfArrays(param) ? listCheck(param, value) : null;
}

/** Values of a type that not every database has were read with the request, and can only lack the form of an array. */
function listCheck({ type }: Param, value: Sql): Sql {
  const { element } = baseType(type);
  const isEverywhere = element !== null && baseType(element).schema === 'pg_catalog';
  const array = isEverywhere ? bareType(type) : syntax('text[]');
  return sql`(select pg_catalog.count(v::${array}) from pg_catalog.unnest(${value}::text[]) v) >= 0`;
}
