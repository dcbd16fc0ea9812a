import { NearjoinError } from '../core/errors.ts';

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
export function serverOf(
  values: { readonly endpoint?: string | undefined; readonly 'admin-secret'?: string | undefined },
  env: NodeJS.ProcessEnv,
): Server {
  return {
    endpoint: endpointOf(values.endpoint ?? env['NEARJOIN_ENDPOINT'] ?? env['HASURA_GRAPHQL_ENDPOINT']),
    secret:
      values['admin-secret'] ?? env['NEARJOIN_ADMIN_SECRET'] ?? env['HASURA_GRAPHQL_ADMIN_SECRET'] ?? null,
  };
}

function endpointOf(text = 'http://127.0.0.1:8080'): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text.replace(/\/+$/, '');
  throw new NearjoinError('start-failed', '--endpoint: expected an http or https URL');
}

/** Asks the server; a body makes it a POST. Returns the parsed answer, or throws with what the server said. */
export async function askServer(server: Server, path: string, body?: object): Promise<unknown> {
  const response = await send(server, path, body);
  const text = await response.text();
  if (response.ok) return jsonOf(text);
  throw new NearjoinError(
    'unexpected',
    `${server.endpoint} answered ${response.status}: ${text.slice(0, 500)}`,
  );
}

/** The complaint about an answer of another shape than ours. */
export function notNearjoin({ endpoint }: Server): NearjoinError {
  return new NearjoinError('unexpected', `${endpoint} does not answer as nearjoin does`);
}

async function send({ endpoint, secret }: Server, path: string, body?: object): Promise<Response> {
  try {
    return await fetch(`${endpoint}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(secret === null ? {} : { 'x-hasura-admin-secret': secret }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new NearjoinError('unexpected', `${endpoint} does not answer`, { cause });
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
