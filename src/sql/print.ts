import { unreachable } from '../core/assert.ts';
import type { Sql } from './sql.ts';
import type { Statement, StatementParameter } from './statement.ts';

/** Prints SQL; a parameter used several times gets one number. */
export function printStatement(root: Sql): Statement {
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
  const print = (node: Sql): void => {
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
        out.push(`$${numberOf(node.parameter)}`);
        return;
      case 'sequence':
        node.parts.forEach(print);
        return;
      case 'concatenation':
        node.parts.forEach((part, i) => {
          if (i > 0) out.push(' || ');
          print(part);
        });
        return;
      default:
        return unreachable(node);
    }
  };
  print(root);
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
