import { parseArgs } from 'node:util';
import { z } from 'zod';
import { text, whole } from '../config/values.ts';
import { NearjoinError } from '../core/errors.ts';

/** What `nearjoin demo` was asked for. */
export interface DemoOptions {
  /** Null: 8080, or the next free port after it. */
  readonly port: number | null;
  /** Null: temporary directories, removed at the end. */
  readonly dataDirectory: string | null;
  readonly rows: number;
}

/** The text of `nearjoin demo --help`. */
export const DEMO_USAGE: string = `Usage: nearjoin demo [--port N] [--data-dir DIR] [--rows N]

Boots two Postgres servers, loads orders into one and users into the other, and serves both as one graph.

  --port N        listen on this port (default: 8080, or the next free one)
  --data-dir DIR  keep the databases there between runs (default: temporary, removed at the end)
  --rows N        how many orders to load, 1 to 10000000 (default: 5000; one user for every five)
`;

const Values = z.object({
  port: whole(0, 65_535).optional(),
  'data-dir': text.optional(),
  rows: whole(1, 10_000_000).optional(),
});

/** Reads the arguments after `demo`; 'help' when that was asked for. */
export function demoOptions(argv: readonly string[]): DemoOptions | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      port: { type: 'string' },
      'data-dir': { type: 'string' },
      rows: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return 'help';
  const read = Values.safeParse(values);
  if (!read.success) {
    const problems = read.error.issues.map((issue) => `--${issue.path.join('.')}: ${issue.message}`);
    throw new NearjoinError('start-failed', problems.join('; '));
  }
  const { port = null, 'data-dir': dataDirectory = null, rows = 5000 } = read.data;
  return { port, dataDirectory, rows };
}
