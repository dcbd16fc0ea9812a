import type { ClientBase } from 'pg';
import { must } from '../../core/assert.ts';
import type { MetadataIdentity } from '../../core/metadata-identity.ts';

/** What a metadata database says of itself, and what it had noted where it found itself to be a copy just now. */
export interface Settled extends MetadataIdentity {
  /** Null when it is where it was. */
  readonly copied: { readonly slots: readonly string[] } | null;
}

interface Stored extends MetadataIdentity {
  readonly home: string | null;
}

const MAY_ASK = `select has_function_privilege('pg_control_system()', 'execute') as "mayAsk"`;

/** A standby that is promoted goes on with both. */
const HERE = `select concat_ws(' ', system_identifier, d.oid) as here
  from pg_control_system(), pg_database d where d.datname = current_database()`;

/**
 * Says which metadata database this is. One that is not where its id was noted was copied or moved by its contents: it
 * takes an id of its own, and forgets the slots, which may be those of an installation that goes on beside it.
 */
export async function settleIdentity(client: ClientBase): Promise<Settled> {
  const here = await whereabouts(client);
  await client.query('begin');
  try {
    const found = await client.query<Stored>(
      'select id, copy_of as "copyOf", home from nearjoin_metadata.catalog_state for update',
    );
    const { home, ...identity } = must(found.rows[0], 'the id of the metadata database');
    const isCopy = home !== null && here !== null && home !== here;
    const settled = isCopy ? await beginAnew(client) : { ...identity, copied: null };
    if (here !== null && here !== home)
      await client.query('update nearjoin_metadata.catalog_state set home = $1', [here]);
    await client.query('commit');
    return settled;
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

/** Null where our role may not ask. */
async function whereabouts(client: ClientBase): Promise<string | null> {
  const asked = await client.query<{ mayAsk: boolean }>(MAY_ASK);
  if (asked.rows[0]?.mayAsk !== true) return null;
  const found = await client.query<{ here: string }>(HERE);
  return found.rows[0]?.here ?? null;
}

async function beginAnew(client: ClientBase): Promise<Settled> {
  const made = await client.query<MetadataIdentity>(
    `update nearjoin_metadata.catalog_state set id = gen_random_uuid(), copy_of = id
     returning id, copy_of as "copyOf"`,
  );
  const gone = await client.query<{ slot: string }>('delete from nearjoin_metadata.slot returning slot');
  const slots = gone.rows.map(({ slot }) => slot);
  return { ...must(made.rows[0], 'the new id of the metadata database'), copied: { slots } };
}
