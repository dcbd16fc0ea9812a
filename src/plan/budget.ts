import type { RoleLimits } from '../catalog/part/api-limits.ts';
import { NearjoinError } from '../core/errors.ts';

/** How large a request may be; a request past a limit is refused before it costs anything. */
export interface PlanLimits {
  /** Nesting of selections, of conditions, and of fragments. */
  readonly maxDepth: number;
  /** Fields selected and conditions, fragments counted each time they are used, and what row rules add. */
  readonly maxNodes: number;
  readonly maxRootFields: number;
}

/** Generous for people and programs, narrow for attacks. */
export const DEFAULT_PLAN_LIMITS: PlanLimits = {
  maxDepth: 50,
  maxNodes: 10_000,
  maxRootFields: 200,
};

/** Counts what one plan uses up. */
export class Budget {
  readonly limits: PlanLimits;
  readonly #role: Pick<RoleLimits, 'depth' | 'nodes'>;
  #nodes = 0;
  #selected = 0;

  /** `role`: what the role may ask for, besides. */
  constructor(limits: PlanLimits, role: Pick<RoleLimits, 'depth' | 'nodes'>) {
    this.limits = limits;
    this.#role = role;
  }

  /** Fields and conditions so far. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Counts fields or conditions, one unless `count` says otherwise. */
  spend(path: string, count: number = 1): void {
    this.#nodes += count;
    if (this.#nodes > this.limits.maxNodes) {
      throw tooComplex(path, `more than ${this.limits.maxNodes} fields and conditions`);
    }
  }

  /** Counts one more field with selections of its own; `depth` is how many of them it is inside of, itself included. */
  select(depth: number): void {
    const { depth: maxDepth, nodes: maxNodes } = this.#role;
    this.#selected += 1;
    if (maxDepth !== null && depth > maxDepth)
      throw new NearjoinError(
        'depth-limit-exceeded',
        `the operation is deeper than the limit of ${maxDepth}`,
      );
    if (maxNodes !== null && this.#selected > maxNodes)
      throw new NearjoinError(
        'node-limit-exceeded',
        `the operation has more nodes than the limit of ${maxNodes}`,
      );
  }

  /** Checks how deep we are; everything recursive passes here, so no request can exhaust the stack. */
  descend(depth: number, path: string): void {
    if (depth > this.limits.maxDepth)
      throw tooComplex(path, `nested deeper than ${this.limits.maxDepth} levels`);
  }

  /** Checks the number of root fields. */
  rootFields(count: number): void {
    if (count > this.limits.maxRootFields) {
      throw tooComplex('$.selectionSet', `more than ${this.limits.maxRootFields} root fields`);
    }
  }
}

/** So many characters of names and literals count as one field: they are in the statement, and in what is kept of it. */
const CHARACTERS_OF_NODE = 64;

/** How many fields so many characters are worth. */
export function weightOf(characters: number): number {
  return Math.floor(characters / CHARACTERS_OF_NODE);
}

/** The complaint about a request past a limit. */
export function tooComplex(path: string, what: string): NearjoinError {
  // A path can itself be as deep as the request: its start says enough.
  const short = path.length > 500 ? `${path.slice(0, 500)}…` : path;
  return new NearjoinError('query-too-complex', `query is too complex: ${what}`, { path: short });
}
