import { unreachable } from '../core/assert.ts';
import { keptIn } from '../core/kept-in.ts';
import { quoteIdentifier } from '../core/postgres/quote-identifier.ts';
import { type Sql, syntax, unnested } from './sql.ts';
import type { Statement, StatementParameter } from './statement.ts';

/** Prints SQL; a parameter used several times gets one number. */
export function printStatement(root: Sql): Statement {
  const { texts, parameters } = print([root], (number) => `$${number}`);
  return { text: texts.join(''), parameters };
}

/**
 * Prints a select list so that one execution answers many requests, each with a row of its own. A parameter becomes a column
 * of `asked`, of the type that the parameter would have: so a value that is refused alone is refused here too. `where` stands
 * behind what the list reads from.
 */
export function printTogether(list: Sql, where: Sql): string {
  const { texts, types } = print([list, where], (number) => `asked.p${number}`);
  const [text, conditions] = texts;
  const arrays = types.map((type, i) => syntax(`$${i + 1}::${type ?? 'text'}[]`));
  const asked = printStatement(unnested(arrays)).text;
  const columns = types.map((_, i) => `p${i + 1}`);
  return `select ${text}, asked.n from ${asked} with ordinality asked(${[...columns, 'n'].join(', ')})${conditions}`;
}

interface Printed extends Pick<Statement, 'parameters'> {
  readonly texts: readonly string[];
  /** What each parameter is first used as; null where its place says so. */
  readonly types: readonly (string | null)[];
}

function print(roots: readonly Sql[], spell: (number: number) => string): Printed {
  const parameters: StatementParameter[] = [];
  const types: (string | null)[] = [];
  const numbers = new Map<string, number>();
  let out: string[] = [];
  const numberOf = (what: StatementParameter, type: Sql | null): number => {
    return keptIn(numbers, JSON.stringify(what), () => {
      types.push(type === null ? null : printStatement(type).text);
      return parameters.push(what);
    });
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
        out.push(spell(numberOf(node.parameter, null)));
        return;
      case 'typed-parameter':
        out.push(spell(numberOf(node.parameter, node.type)), '::');
        return visit(node.type);
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
  const texts = roots.map((root) => {
    out = [];
    visit(root);
    return out.join('');
  });
  return { texts, parameters, types };
}

/** A backslash is spelled with the E form, so that `standard_conforming_strings` does not matter. */
function quoteConstant(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
