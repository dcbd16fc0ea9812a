import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readDirectory } from '../../../src/metadata/directory/read-directory.ts';
import { leadingTo } from '../../support/leading-to.ts';

test("the demo's metadata directory holds the seed document's relationship", async () => {
  const metadata = await readDirectory(fileURLToPath(new URL('../../../metadata', import.meta.url)));
  const order = metadata.sources.find((source) => source.name === 'pg1')?.tables?.[0];
  expect([order?.table, order?.remote_relationships]).toEqual([
    { schema: 'public', name: 'order' },
    [
      {
        name: 'user',
        definition: leadingTo('pg2', { schema: 'public', name: 'user' }, { user_id: 'id' }),
      },
    ],
  ]);
});
