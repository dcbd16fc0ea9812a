import { expect, test } from 'vitest';
import { watchVersions } from '../../../../src/metadata/store/version-watch.ts';

const NOBODY_LISTENS = 'postgres://nobody@127.0.0.1:1/nothing';

test('a database that is away for long is told of once, and again when it was there in between', async () => {
  const stop = new AbortController();
  const warnings: Error[] = [];
  const warned = (warning: Error): number => warnings.push(warning);
  process.on('warning', warned);
  const said: string[] = [];
  let reads = 0;
  const versions = watchVersions({
    url: NOBODY_LISTENS,
    log: { warn: (_fields, message) => said.push(message) },
    clock: { monotonicMs: () => 0, delay: () => new Promise((resolve) => setImmediate(resolve)) },
    signal: stop.signal,
    readVersion: () => {
      reads += 1;
      if (reads === 60) stop.abort();
      return reads === 30 ? Promise.resolve(7) : Promise.reject(new Error('nobody answers'));
    },
  });
  const seen: number[] = [];
  for await (const version of versions) seen.push(version);
  process.off('warning', warned);
  expect(seen).toEqual([7]);
  expect(reads).toBe(60);
  expect(said.filter((message) => message === 'cannot read the metadata version')).toHaveLength(2);
  expect(said.filter((message) => message === 'metadata notices interrupted')).toHaveLength(1);
  // Each try that fails lets go of the signal: Node warns of the eleventh listener.
  expect(warnings).toEqual([]);
});
