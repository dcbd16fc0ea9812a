import { type ChangeStream, hasFailed } from '../../../connectors/connector.ts';
import { saveLastError } from '../../cache/feed/row.ts';
import { saveRowsCopied } from '../../cache/table/rows-copied.ts';
import { type StoredTable, updateStoredTable } from '../../cache/table/stored.ts';
import { keptIn } from '../../core/kept-in.ts';
import { printTable, tableKey } from '../../core/names.ts';
import { sqlStateOf } from '../../core/postgres/sql-state.ts';
import type { IndexColumn } from '../../core/rows/index-column.ts';
import { restUnless } from '../../core/waiting/notifier.ts';
import { Turns } from '../../core/waiting/turns.ts';
import { Backoff } from '../backoff.ts';
import type { Copier, FailedCopy } from '../copy/copy.ts';
import { AnotherStream } from '../interruptions.ts';
import { isDiskFull, say } from '../say.ts';
import { dropOrphans, sayKept } from '../table/orphans.ts';
import type { FeedScene } from './feed-scene.ts';
import type { Start } from './feed-start.ts';
import { buildIndex } from './index-build.ts';
import { bringToOrder, type Remaining, type Tools } from './reconciler.ts';

/** Trying such a table again means streaming its changes, one of which may stop the whole feed: not often. */
const UNSENDABLE_MS = 3_600_000;
const INDEX_REST_MS = 2_000;
/** Each try reads the whole table. */
const LONGEST_INDEX_REST_MS = 3_600_000;

/** Brings the feed's tables to order as far as that needs no stream; returns what remains to be done with one. */
export async function lookAtTables(
  scene: FeedScene,
  tools: Tools,
  underWay: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Remaining> {
  const { failures, wanted } = scene;
  scene.inOrder = false;
  failures.looked();
  const situation = {
    wanted: wanted.now,
    underWay: new Set([...underWay, ...failures.interrupted()]),
    broken: failures.broken(),
    resting: failures.resting(),
  };
  const remaining = await bringToOrder(scene, tools, situation, signal);
  failures.discarded();
  await clearAway(scene, tools);
  await tellStillPublished(scene, remaining.stillPublished);
  scene.inOrder = remaining.isWhole;
  if (!remaining.isWhole) scene.reconsider.notify();
  return remaining;
}

/** Drops tables that are of no use any more. One that cannot be dropped is logged once. */
async function clearAway(scene: FeedScene, { exclusively }: Tools): Promise<void> {
  const { options, lease, control, toldOrphans } = scene;
  for (const kept of await dropOrphans({ client: control, exclusively }, lease.target)) {
    const { relation, reason, isPassing } = kept;
    if (isPassing || toldOrphans.has(relation)) continue;
    toldOrphans.add(relation);
    options.log.warn({ relation, reason }, 'an old copy stays');
    await saveLastError(control, lease, `an old copy stays: ${sayKept(kept)}`);
  }
}

/** Tells once of each table that stays published. */
async function tellStillPublished(scene: FeedScene, tables: Remaining['stillPublished']): Promise<void> {
  const { options, lease, control, toldPublished } = scene;
  for (const { table, reason } of tables) {
    if (toldPublished.has(tableKey(table))) continue;
    options.log.warn({ table, reason }, 'a table stays published');
    await saveLastError(control, lease, `${printTable(table)} stays published: ${reason}`);
  }
  toldPublished.clear();
  for (const { table } of tables) toldPublished.add(tableKey(table));
}

/** Whether copies are to be made, or finished, while the stream goes on. */
export function isCopying({ copies, resumes, merges }: Remaining): boolean {
  return copies.length + resumes.length + merges.length > 0;
}

/** What a streaming feed's tables are kept with. */
interface TableParts extends Pick<Start, 'isNew'> {
  readonly copier: Copier;
  readonly tools: Tools;
  readonly stream: Pick<ChangeStream, 'isEarly'>;
}

/** Keeps a streaming feed's tables as they are wanted: copies, indexes, drops. */
export class FeedTables {
  readonly #scene: FeedScene;
  readonly #copier: Copier;
  readonly #tools: Tools;
  readonly #isEarly: boolean;
  readonly #running = new Set<Promise<void>>();
  readonly #indexing = new Set<string>();
  readonly #indexRests = new Map<string, Backoff>();
  /** One index at a time: two builds on one table would wait for each other. */
  readonly #building = new Turns(1);
  #failure: { readonly error: unknown } | null = null;
  /** Waiting for what made copies fail on the target to be put right. */
  #isAwaitingCure = false;
  /** No transaction of the stream was in progress when the tables were published. */
  #isSettled: boolean;

  constructor(scene: FeedScene, { copier, tools, stream, isNew }: TableParts) {
    this.#scene = scene;
    this.#copier = copier;
    this.#tools = tools;
    this.#isEarly = stream.isEarly;
    this.#isSettled = isNew;
  }

  /** Something long is under way that would have to begin again if the stream ended. */
  get isBusy(): boolean {
    return this.#running.size > 0;
  }

  /** Starts what remains, then looks again whenever there is a reason to; long work goes on beside it. */
  async run(first: Remaining, stop: AbortSignal): Promise<void> {
    let remaining = first;
    while (!stop.aborted) {
      this.#start(remaining, stop);
      await this.#reason(stop);
      if (this.#failure !== null) throw this.#failure.error;
      if (stop.aborted) break;
      remaining = await lookAtTables(this.#scene, this.#tools, this.#copier.underWay(), stop);
    }
    await Promise.all(this.#running);
  }

  /** Writes down how far the copies are. */
  async tellRowsCopied(): Promise<void> {
    const { control, lease } = this.#scene;
    const copied = this.#copier.rowsCopied();
    if (copied.length > 0) await saveRowsCopied(control, lease.target, copied);
  }

  #start(remaining: Remaining, stop: AbortSignal): void {
    // The changes kept beside a copy are those of whole transactions.
    if (this.#isEarly && isCopying(remaining)) throw new AnotherStream('tables are to be copied');
    const { copies, resumes, merges, indexes } = remaining;
    if (copies.length > 0) this.#beside(this.#copier.copy(copies, stop, this.#isSettled), stop);
    this.#isSettled = false;
    for (const each of resumes) this.#beside(this.#copier.resume(each, stop), stop);
    for (const stored of merges) this.#beside(this.#copier.merge(stored, stop), stop);
    for (const { stored, columns } of indexes) this.#index(stored, columns, stop);
  }

  #index({ table, relation }: StoredTable, columns: readonly IndexColumn[], stop: AbortSignal): void {
    const key = JSON.stringify([relation, columns]);
    if (this.#indexing.has(key)) return;
    this.#indexing.add(key);
    const build = async (): Promise<readonly FailedCopy[]> => {
      const isBuilt = await buildIndex(this.#scene, { table, relation, columns }, stop);
      if (!isBuilt) void this.#restIndex(key, stop);
      return [];
    };
    this.#beside(this.#building.take(build, stop), stop);
  }

  /** Lets the index be built again after a rest, if it is wanted then. */
  async #restIndex(key: string, stop: AbortSignal): Promise<void> {
    const { options, reconsider } = this.#scene;
    const begin = (): Backoff => new Backoff(INDEX_REST_MS, LONGEST_INDEX_REST_MS, options.random);
    await options.clock.delay(keptIn(this.#indexRests, key, begin).nextMs(), stop);
    this.#indexing.delete(key);
    reconsider.notify();
  }

  #beside(work: Promise<readonly FailedCopy[]>, stop: AbortSignal): void {
    const done = work
      .then((failed) => this.#note(failed, stop))
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#running.delete(done);
        this.#scene.reconsider.notify();
      });
    this.#running.add(done);
  }

  async #reason(stop: AbortSignal): Promise<void> {
    const { options, failures, reconsider } = this.#scene;
    const ms = Math.min(options.limits.schemaPollMs, failures.nextMs() ?? Number.POSITIVE_INFINITY);
    await restUnless(reconsider, { clock: options.clock, ms }, stop);
  }

  async #note(failed: readonly FailedCopy[], stop: AbortSignal): Promise<void> {
    const { failures, options, lease, control } = this.#scene;
    // Noted before anything is waited for: from then on the tables may be looked at again at any time.
    for (const { table, error, resumable } of failed) {
      if (resumable) failures.copyInterrupted(table, say(error));
      else failures.copyFailed(table, `copying failed: ${say(error)}`, this.#restAfter(error));
    }
    if (failed.some(({ error }) => hasFailed(error, 'unfit'))) void this.#awaitCure(stop);
    // The stream will not tell: the slot was made after the table had changed.
    if (failed.some(({ error }) => isOutdated(error))) await options.refreshCatalog();
    for (const { table, error, resumable } of failed) {
      options.log.warn({ table, error: say(error), resumable }, 'a copy failed');
      await saveLastError(control, lease, `${printTable(table)}: copying failed: ${say(error)}`);
      if (!resumable) continue;
      const reason = `interrupted: ${say(error)}`;
      await updateStoredTable(control, { target: lease.target, table }, { reason });
    }
  }

  #restAfter(error: unknown): number {
    const { unfitRetryMs } = this.#scene.options.limits;
    if (hasFailed(error, 'unsendable')) return UNSENDABLE_MS;
    return isDiskFull(error) || hasFailed(error, 'unfit') ? unfitRetryMs : 0;
  }

  /** What only somebody's change can cure rests for long. This ends the rest as soon as there may have been such a change. */
  async #awaitCure(stop: AbortSignal): Promise<void> {
    if (this.#isAwaitingCure) return;
    this.#isAwaitingCure = true;
    const { standing, failures, reconsider } = this.#scene;
    try {
      await standing.untilPutRight(stop);
      // A stream that ended may have done so because the target was restarted, with what was to be put right.
      if (stop.aborted) failures.wake();
      else failures.forget();
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      this.#isAwaitingCure = false;
    }
    reconsider.notify();
  }
}

/** Whether a table is, or by what the source refuses may be, another than the catalog says. */
function isOutdated(error: unknown): boolean {
  return hasFailed(error, 'outdated') || sqlStateOf(error)?.startsWith('22') === true;
}
