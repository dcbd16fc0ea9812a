/** Repeatable choices: the same seed makes the same ones. */
export class Random {
  #state: number;
  /** Choices of values: given a seed of their own they can be made anew while everything else stays as it is. */
  readonly values: Random;

  constructor(seed: number, valueSeed?: number) {
    this.#state = seed >>> 0;
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

  /** Mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
}
