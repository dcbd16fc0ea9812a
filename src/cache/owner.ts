import { NearjoinError } from '../core/errors.ts';
import type { SourceName } from '../core/names.ts';
import { type Queryable, rowOf } from './queryable.ts';

/** Longer than any restart or upgrade of an installation takes: one that was not heard of for so long has gone. */
const GONE = `interval '10 minutes'`;

const CLAIM = `
  with claimed as (
    update nearjoin.installation set owner = $1, owned_at = clock_timestamp()
    where owner is null or (owner <> $1 and owned_at < clock_timestamp() - ${GONE}
      and not exists (select from nearjoin.feed where updated_at > clock_timestamp() - ${GONE}))
    returning owner
  )
  select coalesce((select owner from claimed), (select owner from nearjoin.installation))::text as owner`;

/** The copies of a source are kept for another installation: not to be touched. */
export class OwnedByOther extends NearjoinError {
  constructor(source: SourceName, owner: string) {
    super('invalid-configuration', ownedByOther(source, owner));
    this.name = 'OwnedByOther';
  }
}

/**
 * Makes an installation the owner of schema `nearjoin`, unless another one is that was heard of lately: two that keep copies
 * by different metadata would each drop what the other wants. Throws `OwnedByOther` then.
 */
export async function claimSchema(
  client: Queryable,
  { source, installation }: { readonly source: SourceName; readonly installation: string | null },
): Promise<void> {
  if (installation === null) return;
  const { owner } = await rowOf<{ owner: string }>(client, CLAIM, [installation]);
  if (owner !== installation) throw new OwnedByOther(source, owner);
}

/** Why an installation leaves the feeds of a source alone, and what to do. */
export function ownedByOther(source: SourceName, owner: string): string {
  return (
    `the copies in source "${source}" are kept for another metadata database (id ${owner}): give every source to one. This one takes them ` +
    'over ten minutes after the replicators of the other were stopped, or at once with: update nearjoin.installation set owner = null'
  );
}
