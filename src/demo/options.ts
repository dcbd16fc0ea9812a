import { parseArgs } from 'node:util';
import { z } from 'zod';
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

const whole = (least: number, most: number): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> =>
  z.string().transform((text, context) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= least && number <= most) return number;
    context.addIssue({ code: 'custom', message: `expected a whole number from ${least} to ${most}` });
    return z.NEVER;
  });

const Values = z.object({
  port: whole(0, 65_535).optional(),
  'data-dir': z.string().min(1, 'expected a directory').optional(),
  rows: whole(1, 10_000_000).optional(),
});

/** Reads the arguments after `demo`; 'help' when that was asked for. */
export function demoOptions(argv: readonly string[]): DemoOptions | 'help' {
  const { help, ...given } = argumentsOf(argv);
  if (help === true) return 'help';
  const read = Values.safeParse(given);
  if (!read.success) {
    const problems = read.error.issues.map((issue) => `--${issue.path.join('.')}: ${issue.message}`);
    throw new NearjoinError('start-failed', problems.join('; '));
  }
  return {
    port: read.data.port ?? null,
    dataDirectory: read.data['data-dir'] ?? null,
    rows: read.data.rows ?? 5000,
  };
}

interface Arguments {
  readonly help?: boolean | undefined;
  readonly port?: string | undefined;
  readonly 'data-dir'?: string | undefined;
  readonly rows?: string | undefined;
}

function argumentsOf(argv: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        port: { type: 'string' },
        'data-dir': { type: 'string' },
        rows: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    return values;
  } catch (error) {
    throw new NearjoinError('start-failed', error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}
