/** Where the admin secret is until the tab is closed; never in a URL, a cookie or the page. */
const SECRET = 'nearjoin-admin-secret';

/** @returns {string} */
export function adminSecret() {
  return sessionStorage.getItem(SECRET) ?? '';
}

/** @param {string} secret */
export function keepAdminSecret(secret) {
  if (secret === '') sessionStorage.removeItem(SECRET);
  else sessionStorage.setItem(SECRET, secret);
}

/**
 * The headers that say who asks.
 * @returns {Record<string, string>}
 */
export function credentials() {
  const secret = adminSecret();
  return secret === '' ? {} : { 'x-hasura-admin-secret': secret };
}

/** An answer that is not a success. */
export class Refusal extends Error {
  /**
   * @param {string} message
   * @param {string} code
   */
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/** A server that takes a question and says nothing would leave the page as it was, for ever. */
const PATIENCE_MS = 30_000;

/**
 * Asks the server; throws a Refusal with its words when it says no.
 * @param {string} path
 * @param {unknown} [body] makes it a POST
 * @returns {Promise<any>}
 */
export async function ask(path, body) {
  const response = await reach(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...credentials(), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const text = await response.text();
  const answer = parsed(text);
  if (response.ok) return answer;
  const { error = text, code = String(response.status) } = answer ?? {};
  throw new Refusal(error, code);
}

/**
 * Fetches; the browser's own words for a server that does not answer say nothing.
 * @param {string} path
 * @param {RequestInit} request
 * @returns {Promise<Response>}
 */
export function reach(path, request) {
  return fetch(path, request).catch((cause) => {
    throw new Error('the server does not answer', { cause });
  });
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
