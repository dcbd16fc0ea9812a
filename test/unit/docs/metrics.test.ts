import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Metrics } from '../../../src/ops/metrics.ts';

const PAGE = readFileSync(new URL('../../../docs/watching.md', import.meta.url), 'utf8');

test('every metric has its line in docs/watching.md, and no line is left over', async () => {
  const metrics = new Metrics();
  metrics.watch(() => {
    return { websockets: 0, subscriptions: 0, liveQueries: 0, liveRuns: { changed: 0, same: 0, failed: 0 } };
  });
  const printed = [...(await metrics.print([])).matchAll(/^# TYPE (\w+)/gm)].map(([, name = '']) => name);
  const cells = [...PAGE.matchAll(/^\| (.*?) \|/gm)].map(([, cell = '']) => cell);
  const documented = cells.flatMap((cell) => {
    return [...cell.matchAll(/`((?:nearjoin|hasura_graphql)_\w+)`/g)].map(([, name]) => name);
  });

  expect(new Set(documented)).toEqual(new Set(printed.filter((name) => !/^(process|nodejs)_/.test(name))));
});
