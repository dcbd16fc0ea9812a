import type { Param, QueryPlan } from '../plan/plan.ts';
import { isLong } from '../plan/value/input.ts';
import type { CompiledPlan } from './compiled-plan.ts';

interface Planned {
  readonly plan: CompiledPlan;
  /** In the order of its parameters. */
  readonly values: readonly (string | null)[];
}

/** Plans as they are for long lists of the session: a plan is kept for a role, and says nothing of how many values its users have. */
export class LongLists {
  readonly #compile: (plan: QueryPlan) => CompiledPlan;
  readonly #plans = new WeakMap<CompiledPlan, CompiledPlan>();

  constructor(compile: (plan: QueryPlan) => CompiledPlan) {
    this.#compile = compile;
  }

  /** The request with a plan that looks a row's value up in the session's lists where one of them is long, else as it is. */
  fitted<R extends Planned>(request: R): R {
    const { plan, values } = request;
    const areLong = plan.plan.params.some((param, i) => isSessionList(param) && isLongText(values[i] ?? ''));
    return areLong ? { ...request, plan: this.#withLongLists(plan) } : request;
  }

  #withLongLists(compiled: CompiledPlan): CompiledPlan {
    const known = this.#plans.get(compiled);
    if (known !== undefined) return known;
    const { plan } = compiled;
    const params = plan.params.map((param) => (isSessionList(param) ? { ...param, long: true } : param));
    const made = this.#compile({ ...plan, params });
    this.#plans.set(compiled, made);
    return made;
  }
}

function isSessionList({ from, list }: Param): boolean {
  return list && from.kind === 'session';
}

/** Of an array's text, with a comma more for each that stands in a value. */
function isLongText(text: string): boolean {
  return isLong(text.split(',', MOST_PARTS));
}

/** More than it takes to be long. */
const MOST_PARTS = 100;
