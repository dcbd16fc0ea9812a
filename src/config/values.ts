import { z } from 'zod';
import { jsonIn } from '../core/json/json-in.ts';
import type { AllowedOrigin, CorsPolicy } from '../http/server/cors.ts';

/** Any text but the empty one. */
export const text: z.ZodType<string, string> = z.string().min(1, 'must not be empty');

/** A secret that comes in a header, where white space around it is lost: with a line break left at its end nobody could send it. */
export const secret: z.ZodType<string, string> = text.refine(
  (value) => value === value.trim(),
  'must not begin or end with a space or a line break',
);

/** A whole number in a range, decimal digits only. */
export function whole(min: number, max: number): z.ZodType<number, string> {
  const expected = `expected a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,12}$/, expected)
    .transform(Number)
    .refine((value) => value >= min && value <= max, expected);
}

/** Hasura's spellings of truth. */
export const bool: z.ZodType<boolean, string> = z
  .string()
  .toLowerCase()
  .refine((value) => /^(true|t|yes|y|on|1|false|f|no|n|off|0)$/.test(value), 'expected true or false')
  .transform((value) => /^(true|t|yes|y|on|1)$/.test(value));

/** One of the given words, in any case. */
export function choice<const T extends string>(words: readonly T[]): z.ZodType<T, string> {
  return z.string().transform((value, context) => {
    const found = words.find((word) => word.toLowerCase() === value.trim().toLowerCase());
    if (found !== undefined) return found;
    context.addIssue({ code: 'custom', message: `expected one of ${words.join(', ')}` });
    return z.NEVER;
  });
}

/** Comma-separated values, at least one, each once. */
export function list<T>(item: z.ZodType<T, string>): z.ZodType<readonly T[], string> {
  return z
    .string()
    .transform((value) => value.split(',').map((part) => part.trim()))
    .pipe(z.array(item))
    .transform((values) => [...new Set(values)]);
}

/** A JSON list of texts: `["secret one", "secret two"]`. */
export const secretList: z.ZodType<readonly string[], string> = z.string().transform((value, context) => {
  const parsed = z.array(secret).min(1).safeParse(jsonIn(value));
  if (parsed.success) return parsed.data;
  context.addIssue({ code: 'custom', message: 'expected a JSON list of texts without spaces around them' });
  return z.NEVER;
});

/** An address to listen on; one of IPv6 may stand in brackets, as in a URL, and `*` is all of them, as in Hasura. */
export const hostName: z.ZodType<string, string> = text.transform((value) =>
  value === '*' ? '0.0.0.0' : value.replace(/^\[(.*)\]$/, '$1'),
);

/** Where a broker listens: `host:port`. */
export const hostAndPort: z.ZodType<string, string> = z.string().refine((value) => {
  const [, port = ''] = /^[^:\s]+:(\d{1,5})$/.exec(value) ?? [];
  return isPort(port);
}, 'expected host:port, host:port');

/** A Postgres connection URL; one to a folder of sockets names no host. */
export const postgresUrl: z.ZodType<string, string> = z
  .string()
  .regex(/^postgres(?:ql)?:\/\//i, 'expected a URL that begins with postgres:');

/** `*`, `none`, or `https://*.example.com, http://localhost:3000`. */
export const corsDomains: z.ZodType<CorsPolicy, string> = z
  .string()
  .transform((value, context): CorsPolicy => {
    if (value.trim() === '*') return { kind: 'any' };
    if (value.trim() === 'none') return { kind: 'none' };
    const origins = value.split(',').map((part) => originOf(part.trim()));
    const known = origins.filter((origin) => origin !== null);
    if (known.length === origins.length) return { kind: 'listed', origins: known };
    context.addIssue({
      code: 'custom',
      message: 'expected *, none, or origins like https://*.example.com:8443',
    });
    return z.NEVER;
  });

function isPort(digits: string): boolean {
  return Number(digits) >= 1 && Number(digits) <= 65_535;
}

function originOf(value: string): AllowedOrigin | null {
  const match = /^(https?):\/\/(\*\.)?([^/:*\s]+|\[[0-9a-f:]+\])(?::(\d{1,5}))?\/?$/i.exec(value);
  if (match === null) return null;
  const [, scheme = '', star, host = '', port = ''] = match;
  if (port !== '' && !isPort(port)) return null;
  return {
    scheme: scheme.toLowerCase() === 'https' ? 'https' : 'http',
    host: host.toLowerCase(),
    wildcard: star !== undefined,
    port,
  };
}
