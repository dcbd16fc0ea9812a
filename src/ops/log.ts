import { type DestinationStream, type LevelWithSilent, type Logger, pino } from 'pino';

/** The process' logger; every line is one JSON object. */
export type Log = Logger;

/** Members whose values are never written, whatever object they are in. */
const SECRET_KEYS: ReadonlySet<string> = new Set([
  'password',
  'secret',
  'token',
  'authorization',
  'cookie',
  'adminsecret',
  'database_url',
  'databaseurl',
  'connectionstring',
  'x-hasura-admin-secret',
  'x-hasura-access-key',
]);
const CENSORED = '[redacted]';
/** Lines that could not be written yet; more are dropped. */
const UNWRITTEN_CHARACTERS = 4 << 20;
const DEEPEST = 6;

/** Writes a line another thread's logger has made to where this logger writes. */
export function writeLine(log: Log, line: string): void {
  const stream: unknown = Reflect.get(log, pino.symbols.streamSym);
  if (isWritable(stream)) stream.write(line);
}

function isWritable(stream: unknown): stream is DestinationStream {
  return (
    typeof stream === 'object' && stream !== null && 'write' in stream && typeof stream.write === 'function'
  );
}

/** Where a Postgres URL begins. */
const URL_START = /\bpostgres(?:ql)?:\/\//i;
/** What surely is still part of a URL. */
const URL_REST = /^[^\s"'`<>]*/;
/** A Postgres URL with no `@` behind it in its line. */
const PLAIN_URL = /\bpostgres(?:ql)?:\/\/[^\s"'`<>]*/gi;
const NO_URL = 'postgres://[redacted]';
/** A libpq keyword pair, or a member of a JSON text or an object, that holds a password. */
const PASSWORD_PAIR = /(password["']?\s*[=:]\s*)('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s,;&}]+)/gi;

/** Takes connection secrets out of a text. */
export function scrub(text: string): string {
  // Both shapes need one of these characters; most texts have neither.
  if (!text.includes(':') && !text.includes('=')) return text;
  return text.split('\n').map(withoutUrls).join('\n').replace(PASSWORD_PAIR, `$1${CENSORED}`);
}

/**
 * A line without Postgres URLs. A password may hold anything, so all up to the line's last `@` counts as one. That is
 * looked for once: one expression for both would look for it anew at every URL.
 */
function withoutUrls(line: string): string {
  const at = line.lastIndexOf('@') + 1;
  const before = line.slice(0, at);
  const behind = line.slice(at);
  const start = before.search(URL_START);
  if (start < 0) return before + behind.replace(PLAIN_URL, NO_URL);
  return before.slice(0, start) + NO_URL + behind.replace(URL_REST, '').replace(PLAIN_URL, NO_URL);
}

/** Builds the logger; secrets are removed by name and by shape before a line is written. */
export function createLog(level: LevelWithSilent, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }), log: scrubbed },
    serializers: { err: errorFields, error: errorFields, req: () => undefined, res: () => undefined },
    hooks: {
      logMethod(this: Logger, args: Parameters<Logger['info']>, method: Logger['info']) {
        const clean = args.map((arg: unknown) => (typeof arg === 'string' ? scrub(arg) : arg));
        return Reflect.apply(method, this, clean);
      },
    },
  };
  return pino(options, destination ?? standardOutput());
}

/** A full disk, or a reader that is gone, costs lines and nothing else: neither the process nor its end waits for room. */
function standardOutput(): DestinationStream {
  const stream = pino.destination({ fd: process.stdout.fd, sync: false, maxLength: UNWRITTEN_CHARACTERS });
  const flush = stream.flushSync.bind(stream);
  let isRefused = false;
  // Told only if somebody listens, else it ends the process. What was refused is written with a later line.
  stream.on('error', () => {
    isRefused = true;
  });
  stream.on('write', () => {
    isRefused = false;
  });
  // Called when the process ends; on a full disk it would try for ever.
  stream.flushSync = () => {
    if (!isRefused) flush();
  };
  return stream;
}

/** A copy without secrets: by name of the member, and by shape inside texts. Errors are left to their serializer. */
function scrubbed(fields: Record<string, unknown>, depth = 0): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const name in fields) {
    clean[name] = SECRET_KEYS.has(name.toLowerCase()) ? CENSORED : scrubbedValue(fields[name], depth);
  }
  return clean;
}

function scrubbedValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return scrub(value);
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if (depth >= DEEPEST) return CENSORED;
  return Array.isArray(value)
    ? value.map((item) => scrubbedValue(item, depth + 1))
    : scrubbed(Object.fromEntries(Object.entries(value)), depth + 1);
}

/** Postgres' errors about values, broken constraints, and what functions raise: their messages quote rows. */
const QUOTING = /^(?:22|23|P0)[0-9A-Z]{3}$/;

/** An error for a log line: what it is and where it came from, without Postgres' `detail`, which quotes row values, as some messages do. */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? scrub(error) : error;
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: errorFields(error.cause) };
  return { type: error.name, ...code, ...wordsOf(error), ...cause };
}

function wordsOf(error: Error): { readonly message: string; readonly stack: string } {
  const { message, stack = '' } = error;
  const state = 'state' in error ? error.state : 'code' in error ? error.code : null;
  if (typeof state !== 'string' || !QUOTING.test(state))
    return { message: scrub(message), stack: scrub(stack) };
  const said = `SQLSTATE ${state}, which quotes values`;
  return { message: said, stack: scrub(stack.replace(message, said)) };
}
