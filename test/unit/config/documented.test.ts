import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SETTINGS } from '../../../src/config/settings.ts';

const PAGE = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
const ROWS = new Map(
  [...PAGE.matchAll(/^\| `NEARJOIN_(\w+)` \|(.*?)\|(.*?)\|/gm)].map(([, name, hasura, initial]) => [
    name,
    {
      hasura: /`HASURA_GRAPHQL_(\w+)`/.exec(hasura ?? '')?.[1] ?? null,
      initial: /`(.*)`/.exec(initial ?? '')?.[1] ?? null,
    },
  ]),
);

test('every setting is in docs/configuration.md with its names and default, and nothing else is', () => {
  const settings = Object.values(SETTINGS).map(({ name, hasura, initial }) => [
    name,
    { hasura, initial: shown(initial) },
  ]);
  expect(ROWS).toEqual(new Map(settings as never));
});

function shown(initial: unknown): string | null {
  if (initial === null || (Array.isArray(initial) && initial.length === 0)) return null;
  if (Array.isArray(initial)) return initial.join(',');
  return typeof initial === 'object' ? '*' : `${initial as string | number | boolean}`;
}
