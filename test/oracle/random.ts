import { randomFrom } from '../support/random-from.ts';

/** Repeatable choices: the same seed makes the same ones. */
export class Random {
  readonly #next: () => number;
  /** Choices of values: given a seed of their own they can be made anew while everything else stays as it is. */
  readonly values: Random;

  constructor(seed: number, valueSeed?: number) {
    this.#next = randomFrom(seed);
    this.values = valueSeed === undefined ? this : new Random(valueSeed);
  }

  /** A seed for other choices. */
  seed(): number {
    return this.int(0, 2 ** 31 - 1);
  }

  /** A whole number, both ends included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.#next() * (max - min + 1));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.int(0, list.length - 1)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }

  /** Some elements in any order. */
  some<T>(list: readonly T[], min: number, max: number = list.length): T[] {
    const pool = [...list];
    const count = Math.min(this.int(min, Math.max(min, max)), pool.length);
    return Array.from({ length: count }, () => pool.splice(this.int(0, pool.length - 1), 1)).flat();
  }

  /** What one of the makers makes. */
  oneOf<T>(makers: readonly (() => T)[]): T {
    return this.pick(makers)();
  }
}
