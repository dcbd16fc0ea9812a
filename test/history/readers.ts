import { parseLsn } from '../../src/core/position/lsn.ts';
import type { HttpAnswer } from '../support/http-answer.ts';
import type { Nearjoin } from '../support/nearjoin.ts';
import { QUERY } from './model.ts';
import { nowMs, pause, type Target } from './target.ts';

/** What a request asked for. */
export interface Asked {
  readonly session: number;
  readonly node: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds; null when only the server's default holds. */
  readonly boundMs: number | null;
  readonly fallback: 'live' | 'wait' | 'stale' | 'error' | null;
  /** The answer must hold this transaction: the client wrote it, or saw it before. */
  readonly atLeast: number;
}

/** One answer, and all that can be known of it from outside. */
export interface Answered extends Asked {
  readonly startMs: number;
  readonly endMs: number;
  readonly text: string;
  readonly route: 'cache' | 'live' | 'error';
  readonly code: string | null;
  /** Of the cache's rows, or of the token of a live answer. */
  readonly position: bigint | null;
  readonly stalenessMs: number | null;
}

/** The server's bound when a request sets none. */
export const DEFAULT_BOUND_MS = 1_000;

/** How a client asks next: with its session's token, after its own write, or with no token at all. */
type Style = 'session' | 'own-write' | 'plain';

/** A client that asks one question after the other, now this node, now that. */
export class Reader {
  readonly answers: Answered[] = [];
  readonly style: Style;
  readonly #session: number;
  readonly #nodes: () => readonly Nearjoin[];
  readonly #target: Target;
  readonly #random: () => number;
  #token: string | null = null;

  constructor(session: number, nodes: () => readonly Nearjoin[], target: Target, random: () => number) {
    this.#session = session;
    this.style = (['session', 'own-write', 'plain'] as const)[session % 3] ?? 'plain';
    this.#nodes = nodes;
    this.#target = target;
    this.#random = random;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const nodes = this.#nodes();
      const node = nodes[this.#below(nodes.length)];
      if (node !== undefined) await this.#ask(node, this.style);
      await pause(this.#below(12));
    }
  }

  async #ask(node: Nearjoin, style: Style): Promise<void> {
    const asked = this.#next(node.url, style);
    const startMs = nowMs();
    let answer: HttpAnswer;
    try {
      answer = await node.graphql(QUERY, { headers: { ...asked.headers } });
    } catch {
      return; // the node was killed under the request
    }
    const seen = seenIn(answer);
    if (style === 'session' && seen.route !== 'error') this.#token = answer.headers.get('x-nearjoin-token');
    this.answers.push({ ...asked, ...seen, startMs, endMs: nowMs(), text: answer.text });
  }

  #next(node: string, style: Style): Asked {
    const boundMs = this.#one([null, null, 0, 30, 100, 300, 1_000, 5_000, 'no-cache'] as const);
    const fallback = this.#one([null, 'live', 'live', 'wait', 'wait', 'stale', 'error'] as const);
    const { written } = this.#target;
    const isOwn = style === 'own-write' && written !== null;
    const own = isOwn ? `pg2:${written.lsn}` : null;
    const token = style === 'session' ? this.#token : own;
    return {
      session: this.#session,
      node,
      headers: {
        ...this.#boundHeader(boundMs),
        ...(fallback === null ? {} : { 'x-nearjoin-fallback': fallback }),
        ...(token === null ? {} : { 'x-nearjoin-token': token }),
      },
      boundMs: boundMs === 'no-cache' ? 0 : boundMs,
      fallback,
      atLeast: isOwn ? written.n : 0,
    };
  }

  #boundHeader(boundMs: number | 'no-cache' | null): Record<string, string> {
    if (boundMs === null) return {};
    if (boundMs === 'no-cache') return { 'cache-control': 'no-cache' };
    if (boundMs % 1_000 === 0 && this.#below(2) === 0)
      return { 'cache-control': `max-age=${boundMs / 1_000}` };
    return { 'x-nearjoin-max-staleness': String(boundMs) };
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#below(of.length)] as T;
  }
}

type Seen = Pick<Answered, 'route' | 'code' | 'position' | 'stalenessMs'>;

function seenIn(answer: HttpAnswer): Seen {
  const { headers, status, body } = answer;
  if (status !== 200 || body?.data === undefined)
    return { route: 'error', code: codeOf(answer), position: null, stalenessMs: null };
  const [, stalenessMs, lsn] =
    /;hit;detail="staleness_ms=(\d+) lsn=([0-9A-F/]+)"/.exec(String(headers.get('cache-status'))) ?? [];
  if (lsn !== undefined)
    return { route: 'cache', code: null, position: parseLsn(lsn), stalenessMs: Number(stalenessMs) };
  const [, token] = /^pg2:([^@]*)/.exec(String(headers.get('x-nearjoin-token'))) ?? [];
  return {
    route: 'live',
    code: null,
    position: token === undefined ? null : parseLsn(token),
    stalenessMs: null,
  };
}

function codeOf({ body }: HttpAnswer): string {
  return String(body?.errors?.[0]?.extensions?.code);
}
