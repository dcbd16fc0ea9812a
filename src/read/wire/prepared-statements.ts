/** A statement that the server knows, or will when it has read what was sent. */
interface Prepared {
  readonly name: string;
  /** Counts uses of any statement. */
  usedAt: number;
}

/** Postgres keeps a statement's tree and plan, ten and more times its text: of a few hundred large ones gigabytes. */
const MOST_CHARACTERS = 1_000_000;

/** The names of what one session has prepared, by text; the statements unused for the longest give way to a new one. */
export class PreparedStatements {
  readonly #limit: number;
  readonly #known = new Map<string, Prepared>();
  #characters = 0;
  #toClose: string[] = [];
  #named = 0;
  #uses = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The name to use a text by; undefined when it is not prepared. */
  use(text: string): string | undefined {
    const known = this.#known.get(text);
    if (known === undefined) return undefined;
    this.#uses += 1;
    known.usedAt = this.#uses;
    return known.name;
  }

  /** The name to prepare a text under. */
  add(text: string): string {
    this.#named += 1;
    this.#uses += 1;
    const name = `n${this.#named}`;
    this.#known.set(text, { name, usedAt: this.#uses });
    this.#characters += text.length;
    while (this.#known.size > this.#limit || (this.#known.size > 1 && this.#characters > MOST_CHARACTERS)) {
      const [oldest, { name: unused }] = [...this.#known].reduce((a, b) =>
        b[1].usedAt < a[1].usedAt ? b : a,
      );
      this.forget(oldest, unused);
    }
    return name;
  }

  /** Drops the text's statement if it still has this name: it may have been prepared again under another. */
  forget(text: string, name: string): void {
    if (this.#known.get(text)?.name !== name) return;
    this.#known.delete(text);
    this.#characters -= text.length;
    this.#toClose.push(name);
  }

  /** Names that the server should forget, told once. */
  takeClosed(): readonly string[] {
    const names = this.#toClose;
    if (names.length > 0) this.#toClose = [];
    return names;
  }
}
