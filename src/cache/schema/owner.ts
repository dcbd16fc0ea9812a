import type { MetadataIdentity } from '../../core/metadata-identity.ts';
import type { SourceName } from '../../core/names.ts';
import { type Queryable, rowOf } from '../queryable.ts';

/** An owner is given up after so many seconds of silence: longer than its replicators take to relieve each other, or most restarts. */
const GONE_AFTER = 10;
/**
 * The same where a copy is to follow its original, which most likely comes back: longer than deployments and the move of a
 * machine take.
 */
const ORIGINAL_GONE_AFTER = 600;

const CLAIM = `
  with wait as (
    select make_interval(secs => case when owner = $2::uuid then ${ORIGINAL_GONE_AFTER} else ${GONE_AFTER} end) as least
    from nearjoin.installation
  ), claimed as (
    update nearjoin.installation set owner = $1, owned_at = clock_timestamp()
    from wait
    where owner is null or (owner <> $1 and owned_at < clock_timestamp() - wait.least
      and not exists (select from nearjoin.feed where updated_at > clock_timestamp() - wait.least))
    returning owner
  )
  select coalesce((select owner from claimed), (select owner from nearjoin.installation))::text as owner`;

/**
 * Makes an installation the owner of schema `nearjoin`, unless another one was heard of lately: two of them, with different
 * metadata, would each drop what the other wants. Returns the other one; null when the schema is ours now.
 */
export async function claimSchema(
  client: Queryable,
  { id, copyOf }: MetadataIdentity,
): Promise<string | null> {
  const { owner } = await rowOf<{ owner: string }>(client, CLAIM, [id, copyOf]);
  return owner === id ? null : owner;
}

/** Why an installation leaves the feeds of a source alone, and what to do. */
export function ownedByOther(source: SourceName, owner: string, { copyOf }: MetadataIdentity): string {
  if (owner === copyOf) {
    return (
      `the copies in source "${source}" are kept for the metadata database that this one is a copy of (id ${owner}): name another source ` +
      `here, or stop the replicators of this one. If it was moved here for good they are taken over ${ORIGINAL_GONE_AFTER / 60} minutes ` +
      'after a replicator of before was last heard of, and at once when you run in the source: update nearjoin.installation set owner = null'
    );
  }
  return (
    `the copies in source "${source}" are kept for another metadata database (id ${owner}): give every source to one. This one takes them ` +
    `over ${GONE_AFTER} seconds after the replicators of the other were stopped`
  );
}
