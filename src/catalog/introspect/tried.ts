import type pg from 'pg';
import { messageOf } from '../../core/errors.ts';

/** What was read inside an open transaction, which goes on where that failed; or why it failed. */
export async function tried<T>(
  client: pg.Client,
  use: () => Promise<T>,
): Promise<T | { readonly error: string }> {
  await client.query('savepoint tried');
  try {
    return await use();
  } catch (error) {
    await client.query('rollback to savepoint tried');
    return { error: messageOf(error) };
  } finally {
    await client.query('release savepoint tried');
  }
}
