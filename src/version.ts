import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

/** The Hasura version whose API we speak; its command line reads it. */
export const HASURA_VERSION = 'v2.48.0';

const manifest = z.looseObject({ name: z.literal('nearjoin'), version: z.string() });

/** Our own version, from the package this file belongs to: sources and built files lie at different depths. */
export function nearjoinVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    const path = new URL(up, import.meta.url);
    if (!existsSync(path)) continue;
    const parsed = manifest.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    if (parsed.success) return parsed.data.version;
  }
  return 'unknown';
}
