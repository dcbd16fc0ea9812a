import type { Predicate } from '../../plan/plan.ts';
import { conjuncts } from '../../plan/predicates.ts';

/**
 * Postgres makes a join of every `exists` that must hold, also inside another one, and looks for the best order of all of them. For
 * sixteen that takes it 0.03 s, for eighty it took seven; what is beyond is looked up or hashed by itself, and planned in no time.
 */
const MOST_JOINED = 16;

/** The conditions of a filter that Postgres must not make joins of, since it does of so many others. */
export function keptFromJoins(parts: readonly Predicate[]): ReadonlySet<Predicate> {
  const kept = new Set<Predicate>();
  let left = MOST_JOINED;
  for (const part of parts) {
    const joins = joinsOf(part, left);
    if (joins > left) kept.add(part);
    else left -= joins;
  }
  return kept;
}

/** How many joins one condition becomes; counted no further than just beyond `most`. */
function joinsOf(part: Predicate, most: number): number {
  const of = part.kind === 'not' ? part.of : part;
  if (of.kind !== 'exists' && of.kind !== 'exists-table') return 0;
  let joins = 1;
  for (const inner of conjuncts(of.where)) {
    if (joins > most) break;
    joins += joinsOf(inner, most - joins);
  }
  return joins;
}
