import { unreachable } from '../core/assert.ts';
import { keptIn } from '../core/kept-in.ts';
import { quoteIdentifier } from '../core/postgres/quote-identifier.ts';
import { type Sql, syntax, unnested } from './sql.ts';
import type { Statement, StatementParameter } from './statement.ts';

/** Prints SQL; a parameter used several times gets one number. */
export function printStatement(root: Sql): Statement {
  const printer = new Printer();
  return { text: printer.print(root), parameters: printer.parameters };
}

/**
 * Prints a select list so that one execution answers many requests, each with a row of its own. A parameter becomes a column
 * of `asked`, of the type that the parameter would have: so a value that is refused alone is refused here too. `where` stands
 * behind what the list reads from.
 */
export function printTogether(list: Sql, where: Sql): string {
  const printer = new Printer((number) => `asked.p${number}`);
  const [text, conditions] = [printer.print(list), printer.print(where)];
  const arrays = printer.types.map((type, i) => syntax(`$${i + 1}::${type ?? 'text'}[]`));
  const asked = printStatement(unnested(arrays)).text;
  const columns = printer.types.map((_, i) => `p${i + 1}`);
  return `select ${text}, asked.n from ${asked} with ordinality asked(${[...columns, 'n'].join(', ')})${conditions}`;
}

/** Prints a statement piece by piece, and knows after each which parameters were in it so far. */
export class Printer {
  readonly parameters: StatementParameter[] = [];
  /** What each parameter is first used as; null where its place says so. */
  readonly types: (string | null)[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #spell: (number: number) => string;
  #out: string[] = [];

  constructor(spell: (number: number) => string = (number) => `$${number}`) {
    this.#spell = spell;
  }

  print(piece: Sql): string {
    this.#out = [];
    this.#visit(piece);
    return this.#out.join('');
  }

  #visit(node: Sql): void {
    switch (node.kind) {
      case 'syntax':
        this.#out.push(node.text);
        return;
      case 'identifier':
        this.#out.push(quoteIdentifier(node.name));
        return;
      case 'constant':
        this.#out.push(quoteConstant(node.value));
        return;
      case 'parameter':
        this.#out.push(this.#spell(this.#numberOf(node.parameter, null)));
        return;
      case 'typed-parameter':
        this.#out.push(this.#spell(this.#numberOf(node.parameter, node.type)), '::');
        return this.#visit(node.type);
      case 'sequence':
        for (const part of node.parts) this.#visit(part);
        return;
      case 'concatenation':
        node.parts.forEach((part, i) => {
          if (i > 0) this.#out.push(' || ');
          this.#visit(part);
        });
        return;
      default:
        return unreachable(node);
    }
  }

  #numberOf(what: StatementParameter, type: Sql | null): number {
    return keptIn(this.#numbers, JSON.stringify(what), () => {
      this.types.push(type === null ? null : printStatement(type).text);
      return this.parameters.push(what);
    });
  }
}

/** A backslash is spelled with the E form, so that `standard_conforming_strings` does not matter. */
function quoteConstant(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
