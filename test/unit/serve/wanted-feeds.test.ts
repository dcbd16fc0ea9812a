import { expect, test } from 'vitest';
import { parseMetadata } from '../../../src/metadata/document/parse.ts';
import { wantedFeeds } from '../../../src/serve/wanted-feeds.ts';
import { toMany } from '../../support/leading-to.ts';

test('a feed that is not set up yet is told with the connector that metadata names', () => {
  const kafka = { connector: 'kafka', kafka: { topic_prefix: 'shop' } };
  const database = (name: string, tables: readonly object[], nearjoin?: object): object => ({
    name,
    kind: 'postgres',
    configuration: { connection_info: { database_url: `postgres://${name}` }, nearjoin },
    tables,
  });
  const relationships = ['pg2', 'pg3'].map((source) =>
    toMany(`of_${source}`, 'user', { id: 'id' }, { source }),
  );
  const metadata = parseMetadata({
    version: 3,
    sources: [
      database('pg1', [{ table: 'order', remote_relationships: relationships }]),
      database('pg2', [{ table: 'user' }]),
      database('pg3', [{ table: 'user' }], kafka),
    ],
  });
  expect(wantedFeeds({ catalog: { wanted: [] }, metadata })).toEqual([
    { source: 'pg1', target: 'pg2', connector: 'postgres', tables: [] },
    { source: 'pg1', target: 'pg3', connector: 'kafka', tables: [] },
  ]);
});
