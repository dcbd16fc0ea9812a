import { NearjoinError } from '../core/errors.ts';
import { isRecord } from '../core/json/is-record.ts';
import { jsonOf, type Server, sendTo } from './server.ts';

/** A server's metadata API, asked as the stock command line asks it. */
export interface MetadataClient {
  /** Refuses a server that is not there or does not speak metadata of version 3. */
  check(): Promise<void>;
  call(type: string, args: unknown, version?: number): Promise<unknown>;
}

const TIMEOUT_MS = 120_000;

/** A client of one server; nothing is sent before the first call. */
export function metadataClient(server: Server): MetadataClient {
  return {
    check: async () => {
      await ask(server, '/v1/version');
      const document = await ask(server, '/v1/query', { type: 'export_metadata', args: {} });
      if (isRecord(document) && document['version'] === 3) return;
      throw new NearjoinError('not-supported', 'the server does not keep metadata of version 3');
    },
    call: (type, args, version) =>
      ask(server, '/v1/metadata', { type, args, ...(version === undefined ? {} : { version }) }),
  };
}

async function ask(server: Server, path: string, body?: object): Promise<unknown> {
  const { status, text } = await sendTo(server, path, { body, timeoutMs: TIMEOUT_MS });
  const answer = jsonOf(text);
  if (status === 200) return answer;
  throw new NearjoinError('unexpected', refusalText(status, answer));
}

function refusalText(status: number, answer: unknown): string {
  if (!isRecord(answer) || typeof answer['error'] !== 'string')
    return `the server answered with status ${status}`;
  const internal = answer['internal'] === undefined ? '' : `\n${JSON.stringify(answer['internal'], null, 2)}`;
  return `${answer['error']} (${String(answer['code'])} at ${String(answer['path'])})${internal}`;
}
