import { keptIn } from '../core/kept-in.ts';
import type { Param, QueryPlan } from '../plan/plan.ts';
import { isLong } from '../plan/value/input.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import type { ReadRequest } from './read-request.ts';

/** Variants of plans for long lists in session variables. A plan is kept per role, however many values the lists of its users have. */
export class LongLists {
  readonly #compile: (plan: QueryPlan) => CompiledPlan;
  readonly #plans = new WeakMap<CompiledPlan, CompiledPlan>();

  constructor(compile: (plan: QueryPlan) => CompiledPlan) {
    this.#compile = compile;
  }

  /** The request; if one of its session's lists is long, with a plan that looks a row's value up in the list. */
  fitted<R extends Pick<ReadRequest, 'compiled' | 'values'>>(request: R): R {
    const { compiled, values } = request;
    const areLong = compiled.plan.params.some(
      (param, i) => isSessionList(param) && isLongText(values[i] ?? ''),
    );
    return areLong ? { ...request, compiled: this.#withLongLists(compiled) } : request;
  }

  #withLongLists(compiled: CompiledPlan): CompiledPlan {
    return keptIn(this.#plans, compiled, () => {
      const { plan } = compiled;
      const params = plan.params.map((param) => (isSessionList(param) ? { ...param, long: true } : param));
      return this.#compile({ ...plan, params });
    });
  }
}

function isSessionList({ from, list }: Param): boolean {
  return list && from.kind === 'session';
}

/** Counts the values in an array's text by its commas; commas inside values make it look a little longer. */
function isLongText(text: string): boolean {
  return isLong(text.split(',', MOST_PARTS));
}

/** More parts than it takes to be long. */
const MOST_PARTS = 100;
