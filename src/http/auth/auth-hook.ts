import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { LRUCache } from 'lru-cache';
import { isRecord } from '../../core/json/is-record.ts';
import { jsonIn } from '../../core/json/json-in.ts';
import { RefusedError } from '../error-reply.ts';
import { headerBytesOf, headerOf } from '../headers.ts';
import { type Session, sessionOf } from './session.ts';
import { isSessionVariable, ROLE_HEADER } from './session-variables.ts';

/** Where the hook is, how it is asked, and how long it may take. */
export interface AuthHookOptions {
  readonly url: string;
  readonly mode: 'GET' | 'POST';
  readonly sendRequestBody: boolean;
  readonly timeoutMs: number;
  readonly nowMs: () => number;
}

/** Headers that describe the connection or the browser, not the caller; a GET hook does not get them. */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
  'accept',
  'accept-datetime',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'connection',
  'content-length',
  'content-md5',
  'content-type',
  'dnt',
  'expect',
  'host',
  'keep-alive',
  'origin',
  'proxy-authorization',
  'referer',
  'te',
  'transfer-encoding',
  'upgrade',
  'user-agent',
]);
const REMEMBERED_ANSWERS = 10_000;
const ANSWER_LIMIT_BYTES = 1024 * 1024;

/** What a hook is told beside the values of a request's headers. */
export interface AskedFor {
  /** The names of the headers as the client wrote them. */
  readonly names: () => readonly string[];
  readonly body: () => unknown;
}

interface KeptAnswer {
  readonly session: Session;
  readonly untilMs: number;
}

/** Asks a webhook who a caller is; an answer is kept only as long as the webhook itself says. */
export class AuthHook {
  readonly #options: AuthHookOptions;
  readonly #answers: LRUCache<string, KeptAnswer> = new LRUCache({ max: REMEMBERED_ANSWERS });

  constructor(options: AuthHookOptions) {
    this.#options = options;
  }

  async session(headers: IncomingHttpHeaders, asked: AskedFor): Promise<Session> {
    const { mode, sendRequestBody } = this.#options;
    const forwarded = forwardedHeaders(headers, mode);
    const body =
      mode === 'POST'
        ? JSON.stringify({
            headers: spelled(forwarded, asked.names()),
            request: sendRequestBody ? asked.body() : null,
          })
        : null;
    // A request's body may be part of what was asked; ten thousand of them must not be.
    const key = createHash('sha256')
      .update(body ?? JSON.stringify(forwarded))
      .digest('base64');
    const known = this.#answers.get(key);
    const holds = known !== undefined && known.untilMs > this.#options.nowMs();
    return holds ? known.session : this.#ask(key, forwarded, body);
  }

  async #ask(key: string, forwarded: Record<string, string>, body: string | null): Promise<Session> {
    const response = await this.#fetch(forwarded, body);
    const { variables, caching } = readAnswer(response.text);
    const role = variables.get(ROLE_HEADER);
    if (role === undefined || role === '')
      throw new RefusedError(500, 'unexpected', 'missing x-hasura-role key in webhook response');
    const nowMs = this.#options.nowMs();
    const expiresAtMs = endOf((name) => caching.get(name), nowMs);
    const session = sessionOf(role, variables, expiresAtMs, response.headers.getSetCookie());
    const untilMs = endOf((name) => caching.get(name) ?? response.headers.get(name), nowMs);
    if (untilMs !== null) {
      // A cookie is given once.
      const kept = { ...session, cookies: [] };
      this.#answers.set(key, { session: kept, untilMs: Math.min(untilMs, expiresAtMs ?? untilMs) });
    }
    return session;
  }

  async #fetch(
    forwarded: Record<string, string>,
    body: string | null,
  ): Promise<{ text: string; headers: Headers }> {
    const { url, timeoutMs } = this.#options;
    const init: RequestInit =
      body === null
        ? { method: 'GET', headers: forwarded }
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    try {
      const response = await fetch(url, {
        ...init,
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await textOf(response);
      if (response.status === 401) {
        throw new RefusedError(401, 'access-denied', 'Authentication hook unauthorized this request');
      }
      if (response.status !== 200) throw badAnswer();
      return { text, headers: response.headers };
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      throw new RefusedError(500, 'unexpected', 'webhook authentication request failed', { cause: error });
    }
  }
}

/** An answer without end is not read to its end. */
async function textOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ['', 0];
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_LIMIT_BYTES) throw badAnswer();
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function forwardedHeaders(headers: IncomingHttpHeaders, mode: 'GET' | 'POST'): Record<string, string> {
  const forwarded: Record<string, string> = {};
  for (const name of Object.keys(headers).sort()) {
    if (mode === 'GET' && NOT_FORWARDED.has(name)) continue;
    const value = mode === 'GET' ? headerBytesOf(headers, name) : headerOf(headers, name);
    if (value !== undefined) forwarded[name] = value;
  }
  return forwarded;
}

/** Headers under the names that their client wrote, as in Hasura: hooks look for `Authorization`. */
function spelled(
  headers: Readonly<Record<string, string>>,
  names: readonly string[],
): Readonly<Record<string, string>> {
  const written = new Map(names.map((name) => [name.toLowerCase(), name]));
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [written.get(name) ?? name, value]),
  );
}

/** The hook's JSON object: session variables, and perhaps how long they hold. */
function readAnswer(text: string): { variables: Map<string, string>; caching: ReadonlyMap<string, string> } {
  const variables = new Map<string, string>();
  const caching = new Map<string, string>();
  for (const [name, value] of entriesOf(text)) {
    if (typeof value !== 'string') throw badAnswer();
    const lower = name.toLowerCase();
    if (isSessionVariable(lower)) variables.set(lower, value);
    else caching.set(lower, value);
  }
  return { variables, caching };
}

function entriesOf(text: string): [string, unknown][] {
  const value = jsonIn(text);
  if (isRecord(value)) return Object.entries(value);
  throw badAnswer();
}

function badAnswer(): RefusedError {
  return new RefusedError(500, 'unexpected', 'Invalid response from authorization hook');
}

/**
 * When what says so ends, by its Cache-Control or Expires; null without either. In the answer's body they are about the
 * session, as in Hasura; headers are about the answer alone: frameworks send `max-age=0` with every one.
 */
function endOf(said: (name: string) => string | null | undefined, nowMs: number): number | null {
  const control = said('cache-control');
  if (control !== null && control !== undefined) {
    if (/\b(no-store|no-cache)\b/i.test(control)) return null;
    const seconds = /\b(?:s-maxage|max-age)\s*=\s*"?(\d{1,9})/i.exec(control)?.[1];
    if (seconds !== undefined) return nowMs + Number(seconds) * 1000;
  }
  const expires = Date.parse(said('expires') ?? '');
  return Number.isNaN(expires) ? null : Math.max(nowMs, expires);
}
