import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const ROOT = fileURLToPath(new URL('../../../shared/conformance', import.meta.url));

/** Whether the shared cases are beside the project; they are no part of it. */
export const HAS_CASES: boolean = existsSync(ROOT);

/** What a group of cases needs: databases with tables, and metadata. */
export interface Setup {
  readonly env: Readonly<Record<string, string>>;
  readonly sql?: readonly string[];
  readonly databases?: Readonly<Record<string, readonly string[]>>;
  readonly metadata: readonly unknown[];
}

/** One request and its answer, or SQL to run in between. */
export interface CaseStep {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly request: unknown;
  readonly status: number;
  readonly response: unknown;
  readonly response_alternatives?: readonly unknown[];
  readonly match?: string;
  readonly sql?: string;
}

/** A named case of a group. */
export interface Case {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly steps: readonly CaseStep[];
}

/** The names of all groups. */
export function groups(): readonly string[] {
  if (!HAS_CASES) return [];
  return readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
}

/** A group's set-up. */
export function setupOf(group: string): Setup {
  return parse(readFileSync(join(ROOT, group, 'setup.yaml'), 'utf8')) as Setup;
}

/** A group's cases in the order of their file names. */
export function casesOf(group: string): readonly Case[] {
  const files = readdirSync(join(ROOT, group)).filter(
    (file) => file.endsWith('.yaml') && file !== 'setup.yaml',
  );
  return files.toSorted().map((file) => {
    const content = parse(readFileSync(join(ROOT, group, file), 'utf8')) as CaseStep & {
      steps?: readonly CaseStep[];
      env?: Readonly<Record<string, string>>;
    };
    return { name: file.replace(/\.yaml$/, ''), env: content.env ?? {}, steps: content.steps ?? [content] };
  });
}
