import { tooComplex } from '../budget.ts';
import { hasMembers, NumberText } from './input.ts';

/** To read this many takes half a second, in which nothing else is answered. */
const MOST_VALUES = 500_000;
const MOST_CHARACTERS = 64 * 1024 * 1024;

/** Counts what is read of a request's values, each use of them: a short request may use a long value in a thousand places. */
export class ValueCount {
  #values = 0;
  #characters = 0;

  /** Counts one more use of a value and all that is in it; refuses what is too much before it is read. */
  add(value: unknown): void {
    const pending = [value];
    while (pending.length > 0) {
      const next = pending.pop();
      if (typeof next === 'string') this.#spend(1, next.length);
      else if (next instanceof NumberText) this.#spend(1, next.text.length);
      else this.#spend(1, 0);
      if (Array.isArray(next)) for (const element of next) pending.push(element);
      else if (hasMembers(next))
        for (const [name, member] of Object.entries(next)) pending.push(name, member);
    }
  }

  #spend(values: number, characters: number): void {
    this.#values += values;
    this.#characters += characters;
    if (this.#values > MOST_VALUES) throw tooComplex('$', `more than ${MOST_VALUES} values`);
    if (this.#characters > MOST_CHARACTERS)
      throw tooComplex('$', `values of more than ${MOST_CHARACTERS} characters`);
  }
}
