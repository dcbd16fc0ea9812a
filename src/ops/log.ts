import { type DestinationStream, type LevelWithSilent, type Logger, pino } from 'pino';

/** The process' logger; every line is one JSON object. */
export type Log = Logger;

const SECRET_KEYS = [
  'password',
  'secret',
  'token',
  'authorization',
  'cookie',
  'adminSecret',
  'database_url',
  'databaseUrl',
  'connectionString',
];
const REDACTED = SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

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

/** Where a Postgres URL begins, up to what surely is no longer part of it. */
const POSTGRES_URL = /\bpostgres(?:ql)?:\/\/[^\s"'`<>]*/gi;
/** A libpq keyword pair that holds a password. */
const PASSWORD_PAIR = /\b(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)/gi;

/** Takes connection secrets out of a text. */
export function scrub(text: string): string {
  return text.replace(POSTGRES_URL, 'postgres://[redacted]').replace(PASSWORD_PAIR, '$1[redacted]');
}

/** Builds the logger; secrets are removed by name and by shape before a line is written. */
export function createLog(level: LevelWithSilent, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    redact: { paths: REDACTED, censor: '[redacted]' },
    formatters: { level: (label: string) => ({ level: label }), log: scrubbed },
    serializers: { err: errorFields, error: errorFields, req: () => undefined, res: () => undefined },
    hooks: {
      logMethod(this: Logger, args: Parameters<Logger['info']>, method: Logger['info']) {
        const clean = args.map((arg: unknown) => (typeof arg === 'string' ? scrub(arg) : arg));
        return Reflect.apply(method, this, clean);
      },
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

function scrubbed(fields: Record<string, unknown>): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields))
    clean[name] = typeof value === 'string' ? scrub(value) : value;
  return clean;
}

/** An error for a log line: what it is and where it came from, without Postgres' `detail`, which quotes row values. */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? scrub(error) : error;
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: errorFields(error.cause) };
  return {
    type: error.name,
    message: scrub(error.message),
    ...code,
    stack: scrub(error.stack ?? ''),
    ...cause,
  };
}
