import { formatLsn, type Lsn, ZERO_LSN } from '../../src/core/position/lsn.ts';
import { ConnectorError } from '../connector.ts';
import type { RowEvent } from './envelope.ts';
import type { LostChange } from './merge.ts';

const FIRST_WAIT_MS = 10 * 60_000;
const LONGEST_WAIT_MS = 24 * 3_600_000;

/** Where a change was looked for. */
interface LookedIn {
  readonly topic: string;
  readonly isThere: boolean;
}

interface Waits {
  /** From then on everything may be copied because of a loss. */
  readonly copyFromMs: number;
  /** So long after that no other copy is made. */
  readonly waitMs: number;
}

/** The loss that was found last. */
interface Loss extends Waits {
  readonly lost: LostChange;
  readonly lookedIn: LookedIn;
}

/**
 * A change that Kafka does not hold costs another copy of everything. Where something on the way leaves out what Debezium counts,
 * the next ones are lost soon after: from the third on copies are made ever more seldom, and the feed says why it waits.
 */
export class Losses {
  readonly #now: () => number;
  #last: Loss | null = null;

  constructor(now = (): number => performance.now()) {
    this.#now = now;
  }

  /** What becomes of a stream that has lost a change. It is looked for again each time, in case it comes late. */
  failureOf(lost: LostChange, lookedIn: LookedIn): ConnectorError {
    const last = this.#last;
    const { copyFromMs, waitMs } = last?.lost.end === lost.end ? last : this.#after(lookedIn);
    this.#last = { lost, lookedIn, copyFromMs, waitMs };
    return this.#failure(this.#last);
  }

  /** A topic that is deleted may take two changes with it. One that is still missing was not: its table's next change had made it again. */
  #after({ isThere }: LookedIn): Waits {
    const now = this.#now();
    const last = this.#last;
    if (last === null || now >= last.copyFromMs + last.waitMs + LONGEST_WAIT_MS)
      return { copyFromMs: now, waitMs: 0 };
    const waitMs = last.waitMs === 0 && !isThere ? FIRST_WAIT_MS : last.waitMs;
    return {
      copyFromMs: Math.max(now, last.copyFromMs + waitMs),
      waitMs: waitMs === 0 ? FIRST_WAIT_MS : Math.min(waitMs * 2, LONGEST_WAIT_MS),
    };
  }

  #failure({ lost, lookedIn, copyFromMs }: Loss): ConnectorError {
    const waitsMs = copyFromMs - this.#now();
    if (waitsMs <= 0) return lost;
    const hours = Math.ceil(waitsMs / 3_600_000);
    const next = `else the next copy is made within ${hours === 1 ? 'an hour' : `${hours} hours`}`;
    const what = `${lost.message}; another copy has not cured that`;
    return new ConnectorError('unfit', `${what}: ${cureOf(lookedIn)}, then resync; ${next}`);
  }
}

function cureOf({ topic, isThere }: LookedIn): string {
  return isThere
    ? 'take transforms that leave messages out (such as Filter) off the Debezium connector, and let topics keep messages (cleanup.policy=delete)'
    : `there is no topic ${topic}, so take transforms that rename topics, topic.delimiter and other naming strategies off the Debezium connector`;
}

/** What is not of this database may be in the way: its log does not go as far as such an event says. */
export function foreignEvent(
  topic: string,
  heads: readonly (RowEvent | undefined)[],
  end: Lsn,
): ConnectorError | null {
  const partition = heads.findIndex((head) => latestOf(head) > end);
  if (partition === -1) return null;
  const what = `an event in partition ${partition} of ${topic} speaks of ${formatLsn(latestOf(heads[partition]))}`;
  const why = `the log of the target ends at ${formatLsn(end)}`;
  const cure = 'it is not of this database, and resync, a minute after it was written, leaves it behind';
  return new ConnectorError('unfit', `${what}, and ${why}: ${cure}`);
}

function latestOf(event: RowEvent | undefined): Lsn {
  if (event === undefined) return ZERO_LSN;
  const { at, previous } = event;
  return previous !== null && previous > at ? previous : at;
}
