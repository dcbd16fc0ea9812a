import type { Difference } from '../../cache/feed/verification.ts';
import { keyText, type RowKey } from '../../core/rows/compared-rows.ts';
import { differingKeys } from './compare-table.ts';
import { prove, type UseOfProof } from './proof.ts';
import { repairRows } from './repair.ts';
import { type Compared, untilCaughtUp } from './sides.ts';

/** What became of the rows that seemed to differ. */
export interface Settled {
  readonly differing: ReadonlyMap<string, { readonly key: RowKey; readonly difference: Difference }>;
  /** How many of the differing ones are right now. */
  readonly repaired: number;
  /** How many changed too fast to be judged. */
  readonly unsettled: number;
}

const LOOKS = 4;
const PROOFS = 5;

/** Looks again at rows that differed, each time when the cache has caught up; what was only changing comes out equal. */
export async function lookAgain(
  { scene, sides }: Compared,
  keys: readonly RowKey[],
  signal: AbortSignal,
): Promise<readonly RowKey[]> {
  let open = keys;
  for (let look = 0; look < LOOKS && open.length > 0; look += 1) {
    const there = await sides.target.find(open);
    await untilCaughtUp(scene, signal);
    open = differingKeys(there, await sides.cache.find(open));
  }
  return open;
}

/** Judges rows that go on differing, and repairs those proved wrong when asked to. */
export async function settle(
  compared: Compared,
  keys: readonly RowKey[],
  repair: boolean,
  signal: AbortSignal,
): Promise<Settled> {
  const differing = new Map<string, { key: RowKey; difference: Difference }>();
  let open = keys;
  for (let round = 0; round < PROOFS && open.length > 0; round += 1) {
    open = await lookAgain(compared, open, signal);
    if (open.length === 0) break;
    const use: UseOfProof = async (proven, there) => {
      if (repair) await repairRows(compared, proven, there);
    };
    const proof = await prove(compared, open, use, signal);
    for (const { key, difference } of proof.proven) differing.set(keyText(key), { key, difference });
    // What was repaired is looked at again like everything else.
    open = repair ? [...proof.undecided, ...proof.proven.map(({ key }) => key)] : proof.undecided;
  }
  if (repair) open = await lookAgain(compared, open, signal);
  const left = open.filter((key) => differing.has(keyText(key))).length;
  return { differing, repaired: repair ? differing.size - left : 0, unsettled: open.length - left };
}
