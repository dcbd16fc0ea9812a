import { createHash } from 'node:crypto';
import { messageOf, NearjoinError } from '../core/errors.ts';
import { keptIn } from '../core/kept-in.ts';
import type { SourceName } from '../core/names.ts';
import { formatToken, later } from '../core/position/token.ts';
import type { RemoteUse } from '../plan/plan.ts';
import type { CompiledPlan } from '../read/compiled-plan.ts';
import type { FreshnessRequest, TargetReport } from '../read/freshness.ts';
import type { ReadAnswer, ReadRequest } from '../read/read-request.ts';

/** What a subscription reads repeatedly: a query's request, without the signal that ends one reading. */
export type LiveQuery = Omit<ReadRequest, 'signal'>;

/** What a reading gave. For equal answers the digests are equal. */
export type LiveAnswer =
  | {
      readonly kind: 'data';
      /** `{"data":…}`, as a query would answer it. */
      readonly body: Buffer;
      readonly targets: readonly TargetReport[];
      readonly digest: string;
      /** The cursor after these rows of a stream; null when there are none, and for what is no stream. */
      readonly cursor: string | null;
    }
  | { readonly kind: 'error'; readonly error: unknown; readonly digest: string };

/** How far a subscriber has come, for when it comes again. */
export interface Progress {
  /** Digest of the answer it took last. */
  readonly digest: string | null;
  /** Where its stream goes on; null for everything that is no stream. */
  readonly cursor: string | null;
  /** How far those targets were whose rows it was shown live: from a copy that is not as far it would see an older state again. */
  readonly shown: FreshnessRequest['tokens'];
}

/** No rows that came live. */
export const NOTHING_SHOWN: Progress['shown'] = new Map();

/** A subscriber that has taken nothing yet. */
export const AT_START: Progress = { digest: null, cursor: null, shown: NOTHING_SHOWN };

/** Names live queries that are one: the same plan with the same values and the same wish for freshness. */
export class LiveQueryKeys {
  readonly #plans: WeakMap<CompiledPlan, number> = new WeakMap();
  #lastPlan = 0;

  keyOf({ compiled, values, freshness }: LiveQuery): string {
    const { noCache, maxStalenessMs, fallback, tokens } = freshness;
    const positions = [...tokens].map(([target, token]) => [target, formatToken(token)]);
    return JSON.stringify([this.#numberOf(compiled), values, noCache, maxStalenessMs, fallback, positions]);
  }

  /** A plan is made for one role and one catalog, so it stands for them. */
  #numberOf(compiled: CompiledPlan): number {
    return keptIn(this.#plans, compiled, () => (this.#lastPlan += 1));
  }
}

/** Where the query's stream goes on; null for everything that is no stream. */
export function cursorOf({ compiled, values }: LiveQuery): string | null {
  const { cursor } = compiled.plan;
  return cursor === null ? null : (values[cursor.index] ?? null);
}

/** The query of a stream that has come as far as `cursor`; any other query is as it was. */
export function behind(query: LiveQuery, cursor: string | null): LiveQuery {
  const place = query.compiled.plan.cursor;
  if (place === null || cursor === null) return query;
  return { ...query, values: query.values.map((value, index) => (index === place.index ? cursor : value)) };
}

/** The query, answered by nothing that is behind these positions. */
export function notBehind(query: LiveQuery, positions: FreshnessRequest['tokens']): LiveQuery {
  if (positions.size === 0) return query;
  const { freshness } = query;
  return { ...query, freshness: { ...freshness, tokens: new Map([...freshness.tokens, ...positions]) } };
}

/** The positions of both, of a target in both the later. */
export function bothOf(known: Progress['shown'], heard: Progress['shown']): Progress['shown'] {
  if (heard.size === 0) return known;
  const both = new Map(known);
  for (const [target, token] of heard) {
    const before = both.get(target);
    both.set(target, before === undefined ? token : later(before, token));
  }
  return both;
}

/** How far those targets are whose rows an answer took live. */
export function livePositions({ targets }: Pick<ReadAnswer, 'targets'>): FreshnessRequest['tokens'] {
  return new Map(
    targets.flatMap(({ route, target, position, history }) =>
      route === 'live' && position !== null ? [[target, { position, history }]] : [],
    ),
  );
}

/** The database that the subscription's root field is read from; null where it names none. */
export function sourceOf({ compiled }: LiveQuery): SourceName | null {
  return compiled.groups[0]?.source ?? null;
}

/** The feeds whose commits may change the answer. */
export function feedsOf({ compiled }: LiveQuery): readonly Pick<RemoteUse, 'source' | 'target'>[] {
  return compiled.groups.flatMap(({ remotes }) => remotes);
}

/** A reading that worked. */
export function dataAnswer({ body, targets, cursor }: ReadAnswer): LiveAnswer {
  const digest = createHash('sha256').update(body).digest('base64');
  return { kind: 'data', body, targets, digest, cursor };
}

/** A reading that failed; the same failure twice is one answer. */
export function errorAnswer(error: unknown): LiveAnswer {
  const code = error instanceof NearjoinError ? error.code : 'unexpected';
  return { kind: 'error', error, digest: `${code}: ${messageOf(error)}` };
}

/** Whether a stream found nothing behind its cursor. */
export function isEmptyBatch(answer: LiveAnswer, query: LiveQuery): boolean {
  return answer.kind === 'data' && answer.cursor === null && cursorOf(query) !== null;
}
