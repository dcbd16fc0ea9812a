import { NearjoinError } from '../core/errors.ts';
import { isRecord } from '../core/json/is-record.ts';
import { jsonIn } from '../core/json/json-in.ts';
import { type Server, sendTo } from './server.ts';

/** As the stock command line does first: refuses a server that is not there or does not speak metadata of version 3. */
export async function checkServer(server: Server): Promise<void> {
  await ask(server, '/v1/version');
  const document = await ask(server, '/v1/query', { type: 'export_metadata', args: {} });
  if (isRecord(document) && document['version'] === 3) return;
  throw new NearjoinError('not-supported', 'the server does not keep metadata of version 3');
}

/** Runs a command of the metadata API. */
export function callMetadata(server: Server, type: string, args: object, version?: number): Promise<unknown> {
  return ask(server, '/v1/metadata', { type, args, ...(version === undefined ? {} : { version }) });
}

const TIMEOUT_MS = 120_000;

async function ask(server: Server, path: string, body?: object): Promise<unknown> {
  const { status, text } = await sendTo(server, path, { body, timeoutMs: TIMEOUT_MS });
  const answer = jsonIn(text);
  if (status === 200) return answer;
  throw new NearjoinError('unexpected', refusalText(status, answer));
}

function refusalText(status: number, answer: unknown): string {
  if (!isRecord(answer) || typeof answer['error'] !== 'string')
    return `the server answered with status ${status}`;
  const internal = answer['internal'] === undefined ? '' : `\n${JSON.stringify(answer['internal'], null, 2)}`;
  return `${answer['error']} (${String(answer['code'])} at ${String(answer['path'])})${internal}`;
}
