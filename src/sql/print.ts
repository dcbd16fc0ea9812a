import { unreachable } from '../core/assert.ts';
import type { Sql } from './sql.ts';
import type { Statement, StatementParameter } from './statement.ts';

/** Prints SQL; a parameter used several times gets one number. */
export function printStatement(root: Sql): Statement {
  return print(root, (number) => `$${number}`);
}

/**
 * Prints a select list so that one execution answers many requests, each with a row of its own: what would be the values of
 * one are columns of `asked`, as text, which the casts that every parameter has make the same values of.
 */
export function printTogether(list: Sql): string {
  const { text, parameters } = print(list, (number) => `asked.p${number}`);
  const arrays = parameters.map((_, i) => `$${i + 1}::text[]`);
  const columns = parameters.map((_, i) => `p${i + 1}`);
  return `select ${text}, asked.n from unnest(${arrays.join(', ')}) with ordinality asked(${[...columns, 'n'].join(', ')})`;
}

function print(root: Sql, spell: (number: number) => string): Statement {
  const parameters: StatementParameter[] = [];
  const numbers = new Map<string, number>();
  const out: string[] = [];
  const numberOf = (what: StatementParameter): number => {
    const key = JSON.stringify(what);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    parameters.push(what);
    numbers.set(key, parameters.length);
    return parameters.length;
  };
  const visit = (node: Sql): void => {
    switch (node.kind) {
      case 'syntax':
        out.push(node.text);
        return;
      case 'identifier':
        out.push(quoteIdentifier(node.name));
        return;
      case 'constant':
        out.push(quoteConstant(node.value));
        return;
      case 'parameter':
        out.push(spell(numberOf(node.parameter)));
        return;
      case 'sequence':
        node.parts.forEach(visit);
        return;
      case 'concatenation':
        node.parts.forEach((part, i) => {
          if (i > 0) out.push(' || ');
          visit(part);
        });
        return;
      default:
        return unreachable(node);
    }
  };
  visit(root);
  return { text: out.join(''), parameters };
}

function quoteIdentifier(name: string): string {
  if (name.includes('\0')) throw new Error('bug: a name holds a zero byte');
  return `"${name.replaceAll('"', '""')}"`;
}

/** A backslash is spelled with the E form, so that `standard_conforming_strings` does not matter. */
function quoteConstant(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
