import { messageOf, NearjoinError } from '../core/errors.ts';
import { jsonIn } from '../core/json/json-in.ts';

/** Where a running server is, and how to become its administrator. */
export interface Server {
  readonly endpoint: string;
  readonly secret: string | null;
}

/** Options of commands that talk to a running server. */
export const SERVER_OPTIONS = { endpoint: { type: 'string' }, 'admin-secret': { type: 'string' } } as const;

/** Their lines in a command's help. */
export const SERVER_USAGE = `\
  --endpoint URL    the server (default: NEARJOIN_ENDPOINT, HASURA_GRAPHQL_ENDPOINT, or http://127.0.0.1:8080)
  --admin-secret S  its admin secret (default: NEARJOIN_ADMIN_SECRET or HASURA_GRAPHQL_ADMIN_SECRET)`;

const ANSWER_TIMEOUT_MS = 15_000;

/** The server that options name, with the environment for what they leave out. */
export function serverOf(values: {
  readonly endpoint?: string | undefined;
  readonly 'admin-secret'?: string | undefined;
}): Server {
  const { env } = process;
  const { endpoint, 'admin-secret': secret } = values;
  return {
    endpoint: endpointOf(endpoint ?? env['NEARJOIN_ENDPOINT'] ?? env['HASURA_GRAPHQL_ENDPOINT']),
    secret: secret ?? env['NEARJOIN_ADMIN_SECRET'] ?? env['HASURA_GRAPHQL_ADMIN_SECRET'] ?? null,
  };
}

function endpointOf(text = 'http://127.0.0.1:8080'): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text.replace(/\/+$/, '');
  throw new NearjoinError('start-failed', '--endpoint: expected an http or https URL');
}

/** An answer of any status. */
export interface Reply {
  readonly status: number;
  readonly text: string;
}

/** Asks the server; a body makes it a POST. Throws when no answer comes in time. */
export async function sendTo(
  { endpoint, secret }: Server,
  path: string,
  {
    body,
    timeoutMs = ANSWER_TIMEOUT_MS,
  }: { readonly body?: object | undefined; readonly timeoutMs?: number },
): Promise<Reply> {
  try {
    const response = await fetch(`${endpoint}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(secret === null ? {} : { 'x-hasura-admin-secret': secret }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new NearjoinError('unexpected', `cannot reach ${endpoint}: ${messageOf(reason)}`);
  }
}

/** The JSON of a successful answer, undefined if it is none; any other answer is thrown with its text. */
export async function askServer(server: Server, path: string, body?: object): Promise<unknown> {
  const { status, text } = await sendTo(server, path, { body });
  if (status >= 200 && status < 300) return jsonIn(text);
  throw new NearjoinError('unexpected', `${server.endpoint} answered ${status}: ${text.slice(0, 500)}`);
}

/** The error for an answer that is not in our form. */
export function notNearjoin({ endpoint }: Server): NearjoinError {
  return new NearjoinError('unexpected', `${endpoint} does not answer as nearjoin does`);
}
