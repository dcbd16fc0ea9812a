import type { Connector } from '../../connectors/connector.ts';
import type { KafkaFeed } from '../catalog/part/kafka-feed.ts';
import type { Log } from '../core/log.ts';
import type { MetadataIdentity } from '../core/metadata-identity.ts';
import type { SourceName } from '../core/names.ts';
import type { Probe } from '../core/position/watermark.ts';
import type { Clock } from '../core/waiting/clock.ts';
import type { Pace } from './pace.ts';
import type { SourceClock } from './source-clock.ts';
import type { StepHook } from './steps.ts';

/** How much is joined into one write: so many changes, or so many bytes. */
export interface BatchLimits {
  readonly rows: number;
  readonly bytes: number;
}

/** What a copy may take. */
export interface CopyLimits {
  /** A table up to this size is copied in one go; a larger one piece by piece. */
  readonly wholeBytes: number;
  readonly pieceBytes: number;
  /** From so many rows on what was copied in one go is kept before it is indexed, and some indexes are built at once. */
  readonly apartRows: number;
  /** A snapshot is replaced after so long: while it is open the target cannot clean up what it still shows. */
  readonly snapshotMs: number;
  /** The stream waits while so many pages of what came during a copy are merged. */
  readonly mergePages: number;
  /** Read of one target by all copies together; null is as fast as it goes. */
  readonly bytesPerS: number | null;
}

/** From so many rows, or bytes, of one table in a batch on they are copied into a temporary table and merged from there. */
export interface StageLimits {
  readonly rows: number;
  readonly bytes: number;
}

/** How far transactions are written before they commit on the target. */
export interface EarlyLimits {
  /** No more than so many at a time. */
  readonly most: number;
  /** Subtransactions of one that are remembered each by itself. */
  readonly savepoints: number;
  /** What is written holds back the clean-up of the source, so it ends after so long. */
  readonly openMs: number;
  /** The source ends a session that is silent within a transaction, so it hears of one so often. */
  readonly pingMs: number;
  /** Somebody who has waited so long on the source may be waiting for rows that they hold. */
  readonly patienceMs: number;
  /** Before a stream that was opened without them is opened anew with them, all must have been well for so long. */
  readonly settledMs: number;
  /** The same where the stream never rests. */
  readonly restlessMs: number;
}

/** Numbers an operator or a test may set. */
export interface FeedLimits {
  /** How often freshness is proved while no reader wishes it oftener. */
  readonly probeIntervalMs: number;
  /** The same where each proof takes a transaction on the target, unless the target commits by itself. */
  readonly kafkaProbeIntervalMs: number;
  readonly maxRetainedWalBytes: number;
  readonly batch: BatchLimits;
  readonly stage: StageLimits;
  readonly early: EarlyLimits;
  readonly parallelCopies: number;
  readonly copy: CopyLimits;
  /** How often the target's tables are looked at again without any other reason. */
  readonly schemaPollMs: number;
  /** How often the target's address is looked at for whether it leads to the server that is followed. */
  readonly addressPollMs: number;
  /** The first and the longest pause after a failure. */
  readonly retryMs: { readonly first: number; readonly longest: number };
  /** The pause after a failure that only somebody's change can cure. */
  readonly unfitRetryMs: number;
  /** The longest pause while the source's database does not exist, or while an unwanted feed cannot be removed. */
  readonly goneRetryMs: number;
  /** What is wanted no more is kept for so long, in case that was a slip. */
  readonly removalDelayMs: number;
  /** A slot is dropped by one who does not lead its feed when nobody has read from it for so long: longer than a reader rests after a failure. */
  readonly unreadMs: number;
  /** Removing an unwanted feed is tried for so long. */
  readonly giveUpAfterMs: number;
  /** A leader silent for so long is replaced. */
  readonly leaderStaleMs: number;
  /** Compares the cache with the target now and then; null never does so unasked. */
  readonly verify: BackgroundVerification | null;
}

/** How the cache is compared with the target unasked. */
export interface BackgroundVerification {
  /** From the end of one comparison to the beginning of the next. */
  readonly everyMs: number;
  readonly rowsPerSecond: number;
  readonly repair: boolean;
}

/** Numbers for production. */
export const DEFAULT_LIMITS: FeedLimits = {
  probeIntervalMs: 200,
  kafkaProbeIntervalMs: 60_000,
  maxRetainedWalBytes: 4096 * 1024 * 1024,
  // More changes at a time cost Postgres no less each, and Node more: what waits is moved about by its collector of garbage.
  batch: { rows: 2_500, bytes: 8 * 1024 * 1024 },
  stage: { rows: 400, bytes: 256 * 1024 },
  // Postgres keeps 64 subtransactions of a transaction at hand; beyond that everybody's snapshots cost more.
  early: {
    most: 4,
    savepoints: 64,
    openMs: 600_000,
    // Far below APPLY_SETTINGS' idle_in_transaction_session_timeout.
    pingMs: 15_000,
    patienceMs: 5_000,
    settledMs: 60_000,
    restlessMs: 600_000,
  },
  parallelCopies: 2,
  copy: {
    wholeBytes: 1 << 30,
    pieceBytes: 128 << 20,
    apartRows: 50_000,
    snapshotMs: 60_000,
    mergePages: 64,
    bytesPerS: null,
  },
  schemaPollMs: 10_000,
  addressPollMs: 5_000,
  retryMs: { first: 100, longest: 10_000 },
  unfitRetryMs: 30_000,
  goneRetryMs: 60_000,
  removalDelayMs: 10_000,
  unreadMs: 60_000,
  giveUpAfterMs: 3_600_000,
  leaderStaleMs: 4_000,
  verify: null,
};

/** A target that refuses the role is not asked more often: each time it writes that down, and may count the tries. */
export const REFUSED_MS = 5_000;

/** How a target is followed, and for whom: see `DatabaseOptions` of the connectors. */
export interface Way {
  readonly kafka?: KafkaFeed | null;
  readonly reader?: string | undefined;
}

/** All that one feed is given. */
export interface FeedOptions {
  readonly source: SourceName;
  readonly target: SourceName;
  readonly sourceUrl: string;
  /** For log lines only. */
  readonly targetUrl: string | null;
  /** Null when the target's address is not known: then nothing can be read or dropped there. `name` is slot and publication, `reader` the source as it runs now. */
  readonly connect: ((name: string, reader?: string) => Connector) | null;
  /** Why nothing is known of the target, when the feed began; null while it is known, or not in the metadata. */
  readonly unavailable: string | null;
  /** Which kind `connect` makes. */
  readonly connector: Connector['kind'];
  readonly limits: FeedLimits;
  readonly clock: Clock;
  /** Shared by all that is copied from this target; null when reading is not slowed down. */
  readonly pace: Pace | null;
  readonly random: () => number;
  /** Names the feed in each line. */
  readonly log: Log;
  /** A finished probe; null when what the ones before proved counts no more. */
  readonly onProbe: (probe: Probe | null) => void;
  /** The clock of the source, as its feed saw it last. */
  readonly sourceClock: SourceClock;
  /** What slot and publication were called when the source was reached last, by whichever process; null when nobody noted it. */
  readonly notedSlot: string | null;
  /** By whose metadata the copies are kept; null for whoever comes. */
  readonly installation: MetadataIdentity | null;
  /** The names of slot and publication are known now. */
  readonly onNamed: (slot: string) => void;
  /** Reads the databases' catalogs again: a table was not what the catalog says. */
  readonly refreshCatalog: () => Promise<void>;
  readonly onStep?: StepHook | undefined;
}
