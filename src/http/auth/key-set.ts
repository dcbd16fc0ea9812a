import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';

const TIMEOUT_MS = 5000;
/** An answer that must not be kept at all is kept this long, so that requests do not wait for it one after the other. */
const LEAST_AGE_MS = 1000;
/** While a provider is silent one request in so long waits for it, and no more. */
const RETRY_MS = 10_000;

/**
 * The keys published at a URL: fetched when first needed, again when their `Cache-Control` or `Expires` says so, and when a
 * token names a key that is not among them. While they cannot be fetched anew the ones at hand stay in force. The name is a
 * hint: without a key of that name, any of them may have signed the token, as in Hasura.
 */
export function publishedKeys(url: URL, nowMs: () => number): JWTVerifyGetKey {
  let staleAtMs = Number.POSITIVE_INFINITY;
  const keys = createRemoteJWKSet(url, {
    timeoutDuration: TIMEOUT_MS,
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [customFetch]: async (address, options) => {
      const response = await fetch(address, { ...options, redirect: 'follow' });
      if (response.ok) staleAtMs = nowMs() + keptMs(response.headers, nowMs());
      return response;
    },
  });
  return async (header, token) => {
    if (nowMs() >= staleAtMs) {
      staleAtMs = nowMs() + RETRY_MS;
      await keys.reload().catch(() => undefined);
    }
    try {
      return await keys(header, token);
    } catch (error) {
      const { kid, ...unnamed } = header;
      if (kid === undefined || !(error instanceof errors.JWKSNoMatchingKey)) throw error;
      return keys(unnamed, token);
    }
  };
}

/** How long an answer says that it holds; without a word of it, for good. */
export function keptMs(headers: Headers, nowMs: number): number {
  const cacheControl = headers.get('cache-control') ?? '';
  if (/(?:^|[\s,])no-(?:cache|store)(?:$|[\s,=])/i.test(cacheControl)) return LEAST_AGE_MS;
  const age = /(?:^|[\s,])max-age="?(\d{1,10})/i.exec(cacheControl)?.[1];
  if (age !== undefined) return Math.max(Number(age) * 1000, LEAST_AGE_MS);
  const expires = headers.get('expires');
  if (expires === null) return Number.POSITIVE_INFINITY;
  // Anything but a date, as in "0", means in the past.
  const at = expires.endsWith(' GMT') ? Date.parse(expires) : 0;
  return Math.max(at - nowMs || 0, LEAST_AGE_MS);
}
