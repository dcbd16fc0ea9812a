import { parseArgs } from 'node:util';
import { z } from 'zod';
import { type Clock, systemClock } from '../core/clock.ts';
import { NearjoinError } from '../core/errors.ts';
import { printFeeds, type StatusFeed } from './status-table.ts';
import { complain, explainError, tell } from './terminal.ts';

const USAGE = `Usage: nearjoin status [--watch] [--endpoint URL] [--admin-secret S]

Shows every feed of a running server: its state, how old its cache is, the WAL it holds, and how far copies are.

  --watch           show it again every second until Ctrl-C
  --endpoint URL    the server (default: NEARJOIN_ENDPOINT, HASURA_GRAPHQL_ENDPOINT, or http://127.0.0.1:8080)
  --admin-secret S  its admin secret (default: NEARJOIN_ADMIN_SECRET or HASURA_GRAPHQL_ADMIN_SECRET)`;

const WATCH_INTERVAL_MS = 1000;
const ANSWER_TIMEOUT_MS = 15_000;

const answer = z.object({
  feeds: z.array(
    z.object({
      target: z.string(),
      source: z.string(),
      state: z.string(),
      reason: z.string().nullable(),
      staleness_ms: z.number().nullable(),
      lag_bytes: z.number().nullable(),
      retained_wal_bytes: z.number().nullable(),
      changes_applied: z.number(),
      last_error: z.string().nullable(),
      tables: z.array(
        z.object({
          schema: z.string(),
          name: z.string(),
          state: z.string(),
          rows_copied: z.number(),
          rows_estimated: z.number().nullable(),
          reason: z.string().optional(),
        }),
      ),
    }),
  ),
});

interface StatusOptions {
  readonly endpoint: string;
  readonly secret: string | null;
  readonly watch: boolean;
}

/** Runs `nearjoin status`; the answer is the exit code. */
export async function runStatus(argv: readonly string[], clock: Clock = systemClock): Promise<number> {
  try {
    const options = statusOptions(argv, process.env);
    if (options === 'help') return tell(USAGE);
    return options.watch ? await watch(options, clock) : tell(printFeeds(await readFeeds(options)));
  } catch (error) {
    return complain(`status: ${explainError(error)}`);
  }
}

/** Reads the arguments after `status`, with the environment for what they leave out. */
export function statusOptions(argv: readonly string[], env: NodeJS.ProcessEnv): StatusOptions | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      watch: { type: 'boolean', short: 'w' },
      endpoint: { type: 'string' },
      'admin-secret': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return 'help';
  return {
    endpoint: endpointOf(values.endpoint ?? env['NEARJOIN_ENDPOINT'] ?? env['HASURA_GRAPHQL_ENDPOINT']),
    secret:
      values['admin-secret'] ?? env['NEARJOIN_ADMIN_SECRET'] ?? env['HASURA_GRAPHQL_ADMIN_SECRET'] ?? null,
    watch: values.watch ?? false,
  };
}

function endpointOf(text = 'http://127.0.0.1:8080'): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text.replace(/\/+$/, '');
  throw new NearjoinError('start-failed', '--endpoint: expected an http or https URL');
}

/** A server that is away for a moment does not end the watch. */
async function watch(options: StatusOptions, clock: Clock): Promise<number> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  while (!stop.signal.aborted) {
    const text = await readFeeds(options).then(printFeeds, (error: unknown) => explainError(error));
    // Home, the text, and nothing left below it; without a terminal every look is appended.
    process.stdout.write(process.stdout.isTTY ? `\u001b[H\u001b[2J${text}\n` : `${text}\n\n`);
    await clock.delay(WATCH_INTERVAL_MS, stop.signal);
  }
  return 0;
}

async function readFeeds(options: StatusOptions): Promise<readonly StatusFeed[]> {
  const response = await ask(options);
  const text = await response.text();
  if (!response.ok)
    throw new NearjoinError(
      'unexpected',
      `${options.endpoint} answered ${response.status}: ${text.slice(0, 500)}`,
    );
  const parsed = answer.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data.feeds;
  throw new NearjoinError('unexpected', `${options.endpoint} does not answer as nearjoin does`);
}

async function ask({ endpoint, secret }: StatusOptions): Promise<Response> {
  try {
    return await fetch(`${endpoint}/v1/replication`, {
      headers: secret === null ? {} : { 'x-hasura-admin-secret': secret },
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
