import type { SourceName } from '../core/names.ts';
import { type Queryable, rowOf } from './queryable.ts';

/** In seconds: longer than a leader is silent while another replicator of its installation takes over, and than most restarts. */
const GONE_AFTER = 10;

const CLAIM = `
  with claimed as (
    update nearjoin.installation set owner = $1, owned_at = clock_timestamp()
    where owner is null or (owner <> $1 and owned_at < clock_timestamp() - make_interval(secs => ${GONE_AFTER})
      and not exists (
        select from nearjoin.feed where updated_at > clock_timestamp() - make_interval(secs => ${GONE_AFTER})))
    returning owner
  )
  select coalesce((select owner from claimed), (select owner from nearjoin.installation))::text as owner`;

/**
 * Makes an installation the owner of schema `nearjoin`, unless another one is that was heard of lately: two that keep copies
 * by different metadata would each drop what the other wants. Says which other one it is, and null when it is none.
 */
export async function claimSchema(client: Queryable, installation: string): Promise<string | null> {
  const { owner } = await rowOf<{ owner: string }>(client, CLAIM, [installation]);
  return owner === installation ? null : owner;
}

/** Why an installation leaves the feeds of a source alone, and what to do. */
export function ownedByOther(source: SourceName, owner: string): string {
  return (
    `the copies in source "${source}" are kept for another metadata database (id ${owner}): give every source to one. This one takes them ` +
    `over ${GONE_AFTER} seconds after the replicators of the other were stopped`
  );
}
