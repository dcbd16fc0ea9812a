import { expect, test } from 'vitest';
import { DocumentReader, parseMetadata } from '../../../../src/metadata/document/parse.ts';
import { unsupportedObjects } from '../../../../src/metadata/document/unsupported.ts';
import { documentOf } from '../../../../src/metadata/model.ts';
import { requireSource } from '../../../../src/metadata/object/edit.ts';
import { objectName, objectsOf, removeObject } from '../../../../src/metadata/object/objects.ts';
import { after, refused } from '../../commands/support.ts';

const BIGQUERY = {
  name: 'facts',
  kind: 'bigquery',
  tables: [{ table: { dataset: 'd', name: 't' }, select_permissions: [] }],
  configuration: { datasets: ['d'], project_id: 'p', service_account: { from_env: 'KEY' } },
};
const MSSQL = {
  name: 'books',
  kind: 'mssql',
  tables: [{ table: { name: 't', schema: 'dbo' } }],
  configuration: { connection_info: { connection_string: { from_env: 'URL' } } },
};
const AGENT = {
  name: 'albums',
  kind: 'sqlite',
  tables: [{ table: ['Album'] }],
  configuration: { value: {} },
};
const OWN = {
  name: 'own',
  kind: 'postgres',
  tables: [
    {
      table: { name: 'o', schema: 'public' },
      remote_relationships: [remote('fact', BIGQUERY), remote('book', MSSQL), remote('album', AGENT)],
    },
  ],
  configuration: { connection_info: { database_url: 'u' } },
};
const DOCUMENT = { version: 3, sources: [OWN, BIGQUERY, MSSQL, AGENT] };

function remote(
  name: string,
  { name: source, tables }: typeof BIGQUERY | typeof MSSQL | typeof AGENT,
): unknown {
  const table = tables[0]?.table;
  const to_source = { field_mapping: { a: 'b' }, relationship_type: 'object', source, table };
  return { definition: { to_source }, name };
}

test('databases of other kinds, and what leads to them, are kept as they came', () => {
  const metadata = parseMetadata(DOCUMENT);
  expect(metadata.sources.map(({ name }) => name)).toEqual(['own']);
  expect(documentOf(metadata)).toEqual(DOCUMENT);
  const stored = new DocumentReader().read(JSON.stringify(metadata));
  expect(documentOf(parseMetadata(documentOf(stored)))).toEqual(DOCUMENT);
});

test('they are told as inconsistent, and dropped with what is', () => {
  const metadata = parseMetadata(DOCUMENT);
  expect(unsupportedObjects(metadata)[0]).toEqual({
    type: 'source',
    name: 'source facts',
    reason: 'Inconsistent object: sources of kind "bigquery" are not supported',
    definition: 'facts',
  });
  const names = new Set(unsupportedObjects(metadata).map(({ name }) => name));
  const broken = objectsOf(metadata).filter((object) => names.has(objectName(object)));
  expect(documentOf(broken.reduce(removeObject, metadata))).toEqual({ version: 3, sources: [OWN] });
});

test('their names are taken, and commands say why they cannot be changed', () => {
  const metadata = parseMetadata(DOCUMENT);
  expect(refused(() => requireSource(metadata, 'books'))).toMatchObject({
    code: 'not-supported',
    error: 'sources of kind "mssql" are not supported',
  });
  const { configuration } = OWN;
  const add = (): unknown => after([['pg_add_source', { name: 'facts', configuration }]], metadata);
  expect(refused(add).code).toBe('already-exists');
  const rename = (): unknown => after([['rename_source', { name: 'own', new_name: 'albums' }]], metadata);
  expect(refused(rename).code).toBe('already-exists');
  expect(
    refused(() => parseMetadata({ version: 3, sources: [OWN, { ...AGENT, name: 'own' }] })).error,
  ).toContain('multiple declarations exist for the following source');
});

test('what is wrong with a source after them is found where it stands', () => {
  const sources = [BIGQUERY, { ...OWN, configuration: {} }];
  expect(refused(() => parseMetadata({ version: 3, sources }))).toMatchObject({
    error: 'key "connection_info" not found',
    path: '$.args.sources[1].configuration',
  });
});
