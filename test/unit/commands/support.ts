import { parseCommand } from '../../../src/commands/command.ts';
import { isReducible, reduce } from '../../../src/commands/reduce.ts';
import { NearjoinError } from '../../../src/core/errors.ts';
import { EMPTY_METADATA, type Metadata } from '../../../src/metadata/model.ts';

/** A command body as it comes in. */
export type Body = readonly [type: string, args: unknown];

/** The metadata after the commands, one after the other. */
export function after(bodies: readonly Body[], start: Metadata = EMPTY_METADATA): Metadata {
  return bodies.reduce((metadata, [type, args]) => {
    const command = parseCommand({ type, args });
    if (!isReducible(command)) throw new Error(`${type} needs more than the metadata`);
    return reduce(metadata, command, { sources: new Map() });
  }, start);
}

/** What the call is refused with, in Hasura's shape. */
export function refused(call: () => unknown): { path: string; error: string; code: string } {
  try {
    call();
  } catch (error) {
    if (error instanceof NearjoinError) return { path: error.path, error: error.message, code: error.code };
    throw error;
  }
  throw new Error('not refused');
}

/** Two databases of the seed document, their tables tracked. */
export const SEED: readonly Body[] = [
  [
    'pg_add_source',
    { name: 'pg1', configuration: { connection_info: { database_url: 'postgres://one/a' } } },
  ],
  [
    'pg_add_source',
    { name: 'pg2', configuration: { connection_info: { database_url: { from_env: 'TWO' } } } },
  ],
  ['pg_track_table', { source: 'pg1', table: { schema: 'public', name: 'order' } }],
  ['pg_track_table', { source: 'pg2', table: 'user' }],
];

/** The seed document's relationship. */
export const RELATE: Body = [
  'pg_create_remote_relationship',
  {
    source: 'pg1',
    table: 'order',
    name: 'user',
    definition: {
      to_source: {
        relationship_type: 'object',
        source: 'pg2',
        table: { schema: 'public', name: 'user' },
        field_mapping: { user_id: 'id' },
      },
    },
  },
];
