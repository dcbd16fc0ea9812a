import { unreachable } from '../core/assert.ts';
import { keptIn } from '../core/kept-in.ts';
import { quoteIdentifier } from '../core/postgres/quote-identifier.ts';
import { type Sql, sql, syntax, unnested } from './sql.ts';
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
  const arrays = printer.types.map((type, i) => sql`${syntax(`$${i + 1}`)}::${type ?? syntax('text')}[]`);
  const asked = printStatement(unnested(arrays)).text;
  const columns = printer.types.map((_, i) => `p${i + 1}`);
  return `select ${text}, asked.n from ${asked} with ordinality asked(${[...columns, 'n'].join(', ')})${conditions}`;
}

/** Prints a statement piece by piece, and knows after each which parameters were in it so far. */
export class Printer {
  readonly parameters: StatementParameter[] = [];
  /** What each parameter is first used as; null where its place says so. */
  readonly types: (Sql | null)[] = [];
  readonly #numbers = new Map<string | number, number>();
  readonly #quoted = new Map<string, string>();
  readonly #spell: (number: number) => string;
  #out = '';

  constructor(spell: (number: number) => string = (number) => `$${number}`) {
    this.#spell = spell;
  }

  print(piece: Sql): string {
    this.#out = '';
    this.#visit(piece);
    return this.#out;
  }

  #visit(node: Sql): void {
    switch (node.kind) {
      case 'syntax':
        this.#out += node.text;
        return;
      case 'identifier':
        this.#out += keptIn(this.#quoted, node.name, () => quoteIdentifier(node.name));
        return;
      case 'constant':
        this.#out += quoteConstant(node.value);
        return;
      case 'parameter':
        this.#out += this.#spell(this.#numberOf(node.parameter, null));
        return;
      case 'typed-parameter':
        this.#out += `${this.#spell(this.#numberOf(node.parameter, node.type))}::`;
        return this.#visit(node.type);
      case 'template':
        return this.#visitTemplate(node.pieces, node.holes);
      case 'list':
        return this.#visitList(node.parts, node.separator);
      case 'concatenation':
        return this.#visitList(node.parts, ' || ');
      default:
        return unreachable(node);
    }
  }

  #visitTemplate(pieces: readonly string[], holes: readonly Sql[]): void {
    pieces.forEach((piece, i) => {
      this.#out += piece;
      const hole = holes[i];
      if (hole !== undefined) this.#visit(hole);
    });
  }

  #visitList(parts: readonly Sql[], separator: string): void {
    parts.forEach((part, i) => {
      if (i > 0) this.#out += separator;
      this.#visit(part);
    });
  }

  #numberOf(what: StatementParameter, type: Sql | null): number {
    return keptIn(this.#numbers, what.kind === 'plan' ? what.index : JSON.stringify(what), () => {
      this.types.push(type);
      return this.parameters.push(what);
    });
  }
}

/** A backslash is spelled with the E form, so that `standard_conforming_strings` does not matter. */
function quoteConstant(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
