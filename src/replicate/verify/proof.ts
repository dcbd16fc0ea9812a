import { hasFailed } from '../../../connectors/connector.ts';
import type { Difference } from '../../cache/feed/verification.ts';
import { type ComparedRows, keyText, type RowKey, type RowMark } from '../../core/rows/compared-rows.ts';
import { type Compared, untilCaughtUp, wantedRows } from './sides.ts';

/** What is known of one row after it was looked at on both sides, twice each. */
export interface Sightings {
  /** On the target, as its statements see it. */
  readonly before: RowMark | undefined;
  /** In the cache, which has caught up with that by now. */
  readonly here: RowMark | undefined;
  /** On the target, exact at a position that is past the cache's at that time. */
  readonly there: RowMark | undefined;
  /** In the cache, which has passed that position. */
  readonly after: RowMark | undefined;
}

/** A row that is wrong in the cache. */
export interface ProvenRow extends Sightings {
  readonly key: RowKey;
  readonly difference: Difference;
}

/**
 * Whether the cache is wrong about a row; `undecided` while it may only have been changing.
 *
 * A row of one and the same version in `before` and `there` did not change on the target from before the cache's
 * position at `here` until after it: the cache had to show it just so. A row that the cache shows unwritten in `here`
 * and `after` cannot be absent at the position in between. The exact position matters: a transaction may be in the
 * stream, and so in the cache, before statements on the target see it.
 */
export function judge(sightings: Sightings): Difference | 'same' | 'undecided' {
  const { before, here, there, after } = sightings;
  if (after?.digest === there?.digest) return 'same';
  if (there === undefined) return isExtra(sightings) ? 'delete' : 'undecided';
  if (before?.version !== there.version) return 'undecided';
  if (here === undefined) return 'insert';
  return here.digest === there.digest ? 'undecided' : 'update';
}

function isExtra({ before, here, after }: Sightings): boolean {
  return before === undefined && here !== undefined && here.version === after?.version;
}

/** Rows proved wrong, and those nothing could be said of. */
export interface Proof {
  readonly proven: readonly ProvenRow[];
  readonly undecided: readonly RowKey[];
}

/** What is done with rows that are proved wrong; `there` reads their values at the exact position. */
export type UseOfProof = (proven: readonly ProvenRow[], there: ComparedRows) => Promise<void>;

/** Looks at rows until they are judged. */
export async function prove(
  { scene, sides }: Compared,
  keys: readonly RowKey[],
  use: UseOfProof,
  signal: AbortSignal,
): Promise<Proof> {
  const before = byKey(await sides.target.find(keys));
  await untilCaughtUp(scene, signal);
  const here = byKey(await sides.cache.find(keys));
  const snapshot = await scene.connector.snapshot(signal);
  try {
    const comparison = await snapshot.compare();
    try {
      const rows = await comparison.rows(wantedRows(sides.stored));
      const there = byKey(await rows.find(keys));
      await scene.applied(snapshot.at, signal);
      signal.throwIfAborted();
      const after = byKey(await sides.cache.find(keys));
      const proof = judgeAll(keys, { before, here, there, after });
      await use(proof.proven, rows);
      return proof;
    } finally {
      comparison.close();
    }
  } catch (error) {
    // Truncated or rewritten meanwhile, or cut off: nothing was shown.
    if (hasFailed(error, 'retry') && !signal.aborted) return { proven: [], undecided: keys };
    throw error;
  } finally {
    await snapshot.close();
  }
}

type Marks = ReadonlyMap<string, RowMark>;

function judgeAll(keys: readonly RowKey[], marks: Readonly<Record<keyof Sightings, Marks>>): Proof {
  const proven: ProvenRow[] = [];
  const undecided: RowKey[] = [];
  for (const key of keys) {
    const text = keyText(key);
    const sightings = {
      before: marks.before.get(text),
      here: marks.here.get(text),
      there: marks.there.get(text),
      after: marks.after.get(text),
    };
    const verdict = judge(sightings);
    if (verdict === 'undecided') undecided.push(key);
    else if (verdict !== 'same') proven.push({ ...sightings, key, difference: verdict });
  }
  return { proven, undecided };
}

/** Marks by their keys. */
export function byKey(marks: readonly RowMark[]): Marks {
  return new Map(marks.map((mark) => [keyText(mark.key), mark]));
}
