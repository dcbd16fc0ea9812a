import { NearjoinError } from '../core/errors.ts';
import { CLIENT_VARIABLES, type Config, SETTINGS, type Setting } from './settings.ts';

const OWN = 'NEARJOIN_';
const HASURA = 'HASURA_GRAPHQL_';

/** Reads every setting; unknown `NEARJOIN_*` names and malformed values are gathered into one error without any value. */
export function settingsOf(env: NodeJS.ProcessEnv): Config {
  const problems = unknownNames(env);
  const read: Record<string, unknown> = {};
  for (const [member, setting] of Object.entries<Setting<unknown>>(SETTINGS)) {
    read[member] = valueOf(env, setting, problems);
  }
  if (problems.length > 0)
    throw new NearjoinError('start-failed', `bad configuration: ${problems.join('; ')}`);
  return Object.freeze(read) as Config;
}

function unknownNames(env: NodeJS.ProcessEnv): string[] {
  const known = new Set([...Object.values(SETTINGS).map((setting) => setting.name), ...CLIENT_VARIABLES]);
  return Object.keys(env)
    .filter((name) => name.startsWith(OWN) && !known.has(name.slice(OWN.length)))
    .map((name) => `${name} is not a setting of nearjoin${likeness(name.slice(OWN.length), known)}`);
}

function likeness(name: string, known: ReadonlySet<string>): string {
  const near = [...known].filter((other) => distance(name, other) <= 2);
  return near.length === 0 ? '' : ` (did you mean ${near.map((other) => OWN + other).join(' or ')}?)`;
}

/** An empty value counts as not set, as compose files write it. */
function valueOf(env: NodeJS.ProcessEnv, setting: Setting<unknown>, problems: string[]): unknown {
  const names = [OWN + setting.name, ...(setting.hasura === null ? [] : [HASURA + setting.hasura])];
  const name = names.find((candidate) => (env[candidate] ?? '') !== '');
  if (name === undefined) return setting.initial;
  const parsed = setting.schema.safeParse(env[name] ?? '');
  if (parsed.success) return parsed.data;
  const messages = new Set(parsed.error.issues.map((issue) => issue.message));
  problems.push(`${name}: ${[...messages].join(', ')}`);
  return undefined;
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
