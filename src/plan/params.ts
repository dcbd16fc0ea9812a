import type { ColumnType } from '../catalog/catalog.ts';
import { type OperandType, plainOperand } from '../catalog/conditions/operand-type.ts';
import { keptIn } from '../core/kept-in.ts';
import { tooComplex, weightOf } from './budget.ts';
import type { Operand, Param } from './plan.ts';
import { encodeValue, type ValueType } from './value/encode.ts';
import { hasVariable, type Input, isLong, isLongList, plainValue } from './value/input.ts';
import { parseJsonPath } from './value/json-path.ts';
import { readOffset } from './value/offset.ts';
import { ValueCount } from './value/value-count.ts';

/** Literals of one plan: more than fit into the largest text of a request. */
const MOST_CHARACTERS = 16 * 1024 * 1024;

/** The values of a plan, numbered in the order they were met. */
export class Params {
  readonly #params: Param[] = [];
  readonly #sessionVariables = new Set<string>();
  readonly #wholeSession = new Map<string, Operand>();
  #characters = 0;
  /** Counts literals: one in a fragment is read again at every spread. */
  readonly #read = new ValueCount();

  /** All parameters so far. */
  list(): readonly Param[] {
    return this.#params;
  }

  /** The memory that the literals take, counted in fields. */
  get weight(): number {
    return weightOf(this.#characters);
  }

  /** Session variables asked for so far, lower case and sorted. */
  sessionVariables(): readonly string[] {
    return [...this.#sessionVariables].sort();
  }

  /** A value of the request; a literal is checked at once, so that its errors come with planning. */
  value(input: Input, value: ValueType, path: string): Operand {
    return this.#add({
      from: this.#sourceOf(input, (plain) => encodeValue(value, plain, path)),
      ...value,
      ...(value.list && isLongList(input) ? { long: true } : {}),
      form: 'typed',
      path,
    });
  }

  /** Values that are known already. */
  plain(values: readonly unknown[], value: ValueType, path: string): Operand {
    const from = { kind: 'value', value: encodeValue(value, values, path) } as const;
    return this.#add({ from, ...value, form: 'typed', path });
  }

  /** One member of all representations in a run: see `Param.from`. */
  representations(path: readonly [string, number, string], value: ValueType, at: string): Operand {
    return this.#add({ from: { kind: 'representations', path }, ...value, form: 'typed', path: at });
  }

  /** An `offset`. */
  offset(input: Input, type: ColumnType, path: string): Operand {
    const from = this.#sourceOf(input, (plain) => readOffset(plain, path));
    return this.#add({ from, type, list: false, enumeration: null, pattern: null, form: 'offset', path });
  }

  /** The path argument of a JSON column. */
  jsonPath(input: Input, type: ColumnType, path: string): Operand {
    const from = this.#sourceOf(input, (plain) => parseJsonPath(plain, path));
    return this.#add({ from, type, list: true, enumeration: null, pattern: null, form: 'json-path', path });
  }

  /** A value of a permission rule, in Postgres' text form. */
  constant(value: string, what: OperandType & Pick<Param, 'long'>): Operand {
    return this.#ofRole({ kind: 'value', value }, what);
  }

  /** A session variable of a permission rule. */
  session(name: string, what: OperandType): Operand {
    return this.#ofRole({ kind: 'session', name: this.#need(name) }, what);
  }

  /** A list of a permission rule with session variables among its elements. */
  sessionList(
    of: readonly ({ readonly text: string } | { readonly session: string })[],
    type: ColumnType,
  ): Operand {
    const named = of.map((element) =>
      'session' in element ? { session: this.#need(element.session) } : element,
    );
    const what = { type, list: true, pattern: null, long: isLong(of) };
    return this.#ofRole({ kind: 'session-list', of: named }, what);
  }

  /** All session variables as a JSON object: the same value wherever it is of the same type. */
  wholeSession(type: ColumnType): Operand {
    const make = (): Operand => this.#ofRole({ kind: 'whole-session' }, plainOperand(type));
    return keptIn(this.#wholeSession, type.name, make);
  }

  #sourceOf(input: Input, encode: (plain: unknown) => string): Param['from'] {
    if (input.kind === 'json') return { kind: 'variable', path: input.path };
    const plain = plainValue(input.node);
    this.#read.add(plain);
    return hasVariable(input.node)
      ? { kind: 'composed', value: plain }
      : { kind: 'value', value: encode(plain) };
  }

  /** A value that the role's rule or the session gives: it has no place in the request. */
  #ofRole(from: Param['from'], what: OperandType & Pick<Param, 'long'>): Operand {
    return this.#add({ from, ...what, enumeration: null, form: 'typed', path: '$' });
  }

  #need(name: string): string {
    const lower = name.toLowerCase();
    this.#sessionVariables.add(lower);
    return lower;
  }

  #add(param: Param): Operand {
    this.#count(param);
    this.#params.push(param);
    return { kind: 'param', index: this.#params.length - 1 };
  }

  /** A literal in a fragment is in the plan once for every spread. */
  #count({ from, path }: Param): void {
    if (from.kind !== 'value') return;
    this.#characters += from.value.length;
    if (this.#characters > MOST_CHARACTERS)
      throw tooComplex(path, `values of more than ${MOST_CHARACTERS} characters`);
  }
}
