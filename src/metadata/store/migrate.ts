import type { ClientBase } from 'pg';
import { NearjoinError } from '../../core/errors.ts';

/** Any number that nobody else in the metadata database is likely to lock on. */
const MIGRATION_LOCK = 7_362_114_904_771;

/** One list of statements per version; released ones never change. */
const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `create table nearjoin_metadata.metadata (
      only_row boolean primary key default true check (only_row),
      -- json, not jsonb: it comes back as it was written
      document json not null,
      resource_version bigint not null
    )`,
    `insert into nearjoin_metadata.metadata (document, resource_version)
     values ('{"version":3,"sources":[]}', 1)`,
    `create table nearjoin_metadata.catalog_state (
      only_row boolean primary key default true check (only_row),
      id uuid not null default gen_random_uuid(),
      cli_state json not null default '{}',
      console_state json not null default '{}'
    )`,
    'insert into nearjoin_metadata.catalog_state default values',
  ],
  [
    `create table nearjoin_metadata.slot (
      slot text primary key,
      source text not null,
      target text not null
    )`,
  ],
  [
    `create table nearjoin_metadata.reading (
      key text primary key,
      reading json not null,
      noted_at timestamptz not null default now()
    )`,
  ],
  // Where the id was made, and which one there was before: a copy finds itself elsewhere.
  ['alter table nearjoin_metadata.catalog_state add column home text, add column copy_of uuid'],
];

/** Brings the metadata schema to this program's version; safe when several nodes start at once. */
export async function migrateMetadata(client: ClientBase): Promise<void> {
  await client.query('begin');
  try {
    await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await client.query('create schema if not exists nearjoin_metadata');
    await client.query(
      'create table if not exists nearjoin_metadata.schema_version (version int primary key)',
    );
    const found = await client.query<{ version: number }>(
      'select coalesce(max(version), 0) as version from nearjoin_metadata.schema_version',
    );
    const version = found.rows[0]?.version ?? 0;
    // Default privileges may let everybody use new schemas and read new tables: metadata may hold passwords.
    if (version === 0) await client.query('revoke all on schema nearjoin_metadata from public');
    await runFrom(client, version);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

async function runFrom(client: ClientBase, version: number): Promise<void> {
  if (version > MIGRATIONS.length) {
    const message = `the metadata database is at version ${version}, newer than this program's ${MIGRATIONS.length}`;
    throw new NearjoinError('start-failed', message);
  }
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < version) continue;
    for (const statement of statements) await client.query(statement);
    await client.query('insert into nearjoin_metadata.schema_version (version) values ($1)', [index + 1]);
  }
}
