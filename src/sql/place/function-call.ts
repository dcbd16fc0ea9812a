import type { CallArgument, FunctionCall } from '../../catalog/catalog.ts';
import { must } from '../../core/assert.ts';
import type { Param } from '../../plan/plan.ts';
import { identifier, qualified, type Sql, separated, sql, syntax, typedParameter } from '../sql.ts';
import { bareType } from '../types.ts';

/** What a call is printed with: the values of the plan, and the row that it is about. */
export interface CallSite {
  readonly params: readonly Param[];
  readonly row: () => Sql;
}

/**
 * `"schema"."function"(…)`, each value cast to the type that the function takes, so that no overload fits instead. A native query
 * becomes its statement in brackets; the closing one stands on a line of its own, since the statement may end with a comment.
 */
export function callSql({ ref, args, statement }: FunctionCall, site: CallSite): Sql {
  if (statement !== undefined) {
    const parts = statement.map((part) =>
      'text' in part
        ? syntax(part.text)
        : sql`(${valueSql(must(args[part.argument], 'argument of a native query'), site)})`,
    );
    return sql`(\n${separated(parts, '')}\n)`;
  }
  const list = args.map((argument) => {
    const value = valueSql(argument, site);
    return argument.name === null ? value : sql`${identifier(argument.name)} => ${value}`;
  });
  return sql`${qualified(ref)}(${separated(list, ', ')})`;
}

function valueSql(argument: CallArgument, { params, row }: CallSite): Sql {
  switch (argument.kind) {
    case 'row':
      return row();
    case 'null':
      return sql`null::${bareType(argument.type)}`;
    case 'value': {
      const { type } = must(params[argument.operand], `parameter ${argument.operand}`);
      return typedParameter({ kind: 'plan', index: argument.operand }, bareType(type));
    }
  }
}
