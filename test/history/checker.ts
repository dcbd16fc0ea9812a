import { faultOf, sessionFault } from './check.ts';
import type { Answered, Reader } from './readers.ts';
import type { Target } from './target.ts';

/** Holds answers against the log as far as that is read, so that a long run does not have to keep them. */
export class Checker {
  readonly #readers: readonly Reader[];
  readonly #target: Target;
  /** Of each reader: its answers without their text. */
  readonly #done: Answered[][];
  readonly #happened: readonly string[];
  readonly faults: string[] = [];
  /** How many answers came by each route, or as which error. */
  readonly seen: Record<string, number> = {};

  /** `happened` is what went wrong so far; what went wrong last is told with a fault. */
  constructor(readers: readonly Reader[], target: Target, happened: readonly string[]) {
    this.#readers = readers;
    this.#target = target;
    this.#done = readers.map(() => []);
    this.#happened = happened;
  }

  /** Checks the answers at positions that the model knows: those up to this one. */
  check(upTo: bigint): void {
    for (const [at, reader] of this.#readers.entries()) {
      const ready = reader.answers.findIndex(({ position }) => position !== null && position > upTo);
      const answers = reader.answers.splice(0, ready === -1 ? reader.answers.length : ready);
      for (const answer of answers) {
        this.#look(answer);
        this.#done[at]?.push({ ...answer, text: answer.text.slice(0, 200) });
      }
    }
  }

  /** Readers with a token of their own never go back. */
  checkSessions(): void {
    for (const [at, answers] of this.#done.entries()) {
      const fault = this.#readers[at]?.style === 'session' ? sessionFault(answers, this.#target) : null;
      if (fault !== null) this.faults.push(fault);
    }
  }

  #look(answer: Answered): void {
    const kind = answer.route === 'error' ? `error ${answer.code}` : answer.route;
    this.seen[kind] = (this.seen[kind] ?? 0) + 1;
    const fault = faultOf(answer, this.#target);
    if (fault === null || this.faults.length >= 5) return;
    const { text: _, ...rest } = answer;
    const asked = JSON.stringify(rest, (_key, value: unknown) =>
      typeof value === 'bigint' ? value.toString(16) : value,
    );
    this.faults.push(`${fault}\n  ${asked}\n  before it: ${this.#happened.slice(-4).join(', ')}`);
  }
}
