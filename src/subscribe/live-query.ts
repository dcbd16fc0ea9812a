import { createHash } from 'node:crypto';
import { messageOf, NearjoinError } from '../core/errors.ts';
import type { SourceName } from '../core/names.ts';
import { formatToken } from '../core/token.ts';
import type { RemoteUse } from '../plan/plan.ts';
import type { CompiledPlan } from '../read/compiled-plan.ts';
import type { TargetReport } from '../read/freshness.ts';
import type { ReadAnswer, ReadRequest } from '../read/read-lane.ts';

/** What a subscription reads again and again: a query's own request, without the end of any one reading. */
export type LiveQuery = Omit<ReadRequest, 'signal'>;

/** What a reading gave. Equal digests are equal answers. */
export type LiveAnswer =
  | {
      readonly kind: 'data';
      /** `{"data":…}`, as a query would answer it. */
      readonly body: Buffer;
      readonly targets: readonly TargetReport[];
      readonly digest: string;
    }
  | { readonly kind: 'error'; readonly error: unknown; readonly digest: string };

/** Names live queries that are one: the same plan with the same values and the same wish for freshness. */
export class LiveQueryKeys {
  readonly #plans: WeakMap<CompiledPlan, number> = new WeakMap();
  #lastPlan = 0;

  keyOf({ plan, values, freshness }: LiveQuery): string {
    const { noCache, maxStalenessMs, fallback, tokens } = freshness;
    const positions = [...tokens].map(([target, token]) => [target, formatToken(token)]);
    return JSON.stringify([this.#numberOf(plan), values, noCache, maxStalenessMs, fallback, positions]);
  }

  /** A plan is made for one role and one catalog, so it stands for them. */
  #numberOf(plan: CompiledPlan): number {
    const known = this.#plans.get(plan);
    if (known !== undefined) return known;
    this.#lastPlan += 1;
    this.#plans.set(plan, this.#lastPlan);
    return this.#lastPlan;
  }
}

/** The database that the subscription's root field is read from; null where it names none. */
export function sourceOf({ plan }: LiveQuery): SourceName | null {
  return plan.groups[0]?.source ?? null;
}

/** The feeds whose commits may change the answer. */
export function feedsOf({ plan }: LiveQuery): readonly Pick<RemoteUse, 'source' | 'target'>[] {
  return plan.groups.flatMap(({ remotes }) => remotes);
}

/** A reading that worked. */
export function dataAnswer({ body, targets }: ReadAnswer): LiveAnswer {
  return { kind: 'data', body, targets, digest: createHash('sha256').update(body).digest('base64') };
}

/** A reading that failed; the same failure twice is one answer. */
export function errorAnswer(error: unknown): LiveAnswer {
  const code = error instanceof NearjoinError ? error.code : 'unexpected';
  return { kind: 'error', error, digest: `${code}: ${messageOf(error)}` };
}
