/** A map of few entries: when it is full it starts over. */
export class FewKept<Value> {
  readonly #most: number;
  readonly #kept = new Map<string, Value>();

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): Value | undefined {
    return this.#kept.get(key);
  }

  set(key: string, value: Value): void {
    if (this.#kept.size >= this.#most) this.#kept.clear();
    this.#kept.set(key, value);
  }
}
