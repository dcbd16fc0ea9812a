import { messageOf, NearjoinError } from '../core/errors.ts';

/** A server's metadata API, asked as the stock command line asks it. */
export interface MetadataClient {
  /** Refuses a server that is not there or does not speak metadata of version 3. */
  check(): Promise<void>;
  call(type: string, args: unknown, version?: number): Promise<unknown>;
}

/** Where the server is and how to become its administrator. */
export interface ClientOptions {
  readonly endpoint: string;
  readonly adminSecret: string | undefined;
}

const TIMEOUT_MS = 120_000;

/** A client of one server; nothing is sent before the first call. */
export function metadataClient(options: ClientOptions): MetadataClient {
  return {
    check: async () => {
      await ask(options, '/v1/version');
      const document = await ask(options, '/v1/query', { type: 'export_metadata', args: {} });
      if (isRecord(document) && document['version'] === 3) return;
      throw new NearjoinError('not-supported', 'the server does not keep metadata of version 3');
    },
    call: (type, args, version) =>
      ask(options, '/v1/metadata', { type, args, ...(version === undefined ? {} : { version }) }),
  };
}

async function ask(options: ClientOptions, path: string, body?: unknown): Promise<unknown> {
  const url = `${options.endpoint.replace(/\/+$/, '')}${path}`;
  const secret: Record<string, string> =
    options.adminSecret === undefined ? {} : { 'x-hasura-admin-secret': options.adminSecret };
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json', ...secret },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (error) {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new NearjoinError('unexpected', `cannot reach ${options.endpoint}: ${messageOf(reason)}`);
  }
  const answer = parsed(text);
  if (response.status === 200) return answer;
  throw new NearjoinError('unexpected', refusalText(response.status, answer));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusalText(status: number, answer: unknown): string {
  if (!isRecord(answer) || typeof answer['error'] !== 'string')
    return `the server answered with status ${status}`;
  const internal = answer['internal'] === undefined ? '' : `\n${JSON.stringify(answer['internal'], null, 2)}`;
  return `${answer['error']} (${String(answer['code'])} at ${String(answer['path'])})${internal}`;
}

/** Whether a value is an object with members to look into. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
