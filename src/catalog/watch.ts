import { messageOf } from '../core/errors.ts';
import type { InconsistentObject } from '../core/inconsistent-object.ts';
import type { SourceName } from '../core/names.ts';
import { systemClock } from '../core/waiting/clock.ts';
import { firstOf } from '../core/waiting/first-of.ts';
import { Notifier } from '../core/waiting/notifier.ts';
import { orStopped } from '../core/waiting/or-stopped.ts';
import type { Metadata } from '../metadata/model.ts';
import type { MetadataStore, StoredMetadata } from '../metadata/store.ts';
import type { Catalog } from './catalog.ts';
import type { Found } from './introspection.ts';
import { Resolver, type ResolveSettings } from './resolve.ts';
import type { ReadingNotes } from './watch/noted-reading.ts';
import { type BookOptions, DEFAULT_INTERVALS, SourceBook, type ToRead } from './watch/source-book.ts';
import type { SourceReadings } from './watch/source-readings.ts';
import { Spaced } from './watch/spaced.ts';

/** A catalog, the metadata it was made from, and the addresses of the databases. */
export interface Snapshot {
  readonly catalog: Catalog;
  readonly metadata: Metadata;
  /** Connection URLs by source; a source whose URL is not known is missing. Secret: never logged. */
  readonly urls: ReadonlyMap<SourceName, string>;
}

/** What a watch needs from outside. */
export interface CatalogWatchOptions extends Omit<BookOptions, 'notes'> {
  readonly store: Pick<MetadataStore, 'load' | 'listen'> & { readonly readings: ReadingNotes };
  readonly resolving?: Partial<ResolveSettings>;
  /** Ends the first reading, which waits for databases that say nothing. */
  readonly stopping?: AbortSignal;
}

/** Reads metadata and databases for the first time and keeps watching both until closed. */
export async function openCatalogWatch(options: CatalogWatchOptions): Promise<CatalogWatch> {
  const { stopping = new AbortController().signal } = options;
  const stored = await options.store.load();
  const book = new SourceBook({ ...options, notes: options.store.readings });
  const readings = await book.consult(stored.metadata, 'unknown', stopping);
  stopping.throwIfAborted();
  book.keep(readings);
  const watch = new CatalogWatch(options, book, { stored, readings });
  watch.start();
  return watch;
}

/** When a statement does not fit a database: how often that is looked at again at most, and how long a caller waits for it. */
const LOOK_REST_MS = 250;
const LONGEST_LOOK_MS = 2_000;

interface Basis {
  readonly stored: StoredMetadata;
  readonly readings: SourceReadings;
}

/** Keeps the catalog up to date and hands out frozen snapshots of it. */
export class CatalogWatch {
  readonly #options: CatalogWatchOptions;
  readonly #book: SourceBook;
  readonly #resolver: Resolver;
  readonly #closed = new AbortController();
  readonly #readers = new Set<Notifier>();
  readonly #told = new Set<(sources: readonly SourceName[]) => void>();
  readonly #looks: Spaced<SourceName>;
  #basis: Basis;
  #snapshot: Snapshot;
  #queue: Promise<unknown> = Promise.resolve();
  #loops: readonly Promise<void>[] = [];

  constructor(options: CatalogWatchOptions, book: SourceBook, basis: Basis) {
    this.#options = options;
    this.#book = book;
    this.#resolver = new Resolver(options.resolving);
    this.#basis = basis;
    this.#snapshot = this.#build(basis, 1);
    this.#looks = new Spaced(LOOK_REST_MS, systemClock, async (source) => {
      await this.#guarded('sources', () => this.#look(source));
    });
  }

  /** Begins to follow the store and the databases. */
  start(): void {
    this.#loops = [this.#followStore(), this.#followSources()];
  }

  current(): Snapshot {
    return this.#snapshot;
  }

  /** What a database last said of itself; undefined for a source nobody registered. */
  introspection(source: SourceName): Found | undefined {
    return this.#basis.readings.entries.get(source)?.found;
  }

  /** The current snapshot, then each newer one; a slow reader sees only the latest. */
  async *changes(signal: AbortSignal): AsyncGenerator<Snapshot> {
    const ended = AbortSignal.any([signal, this.#closed.signal]);
    const bell = new Notifier();
    this.#readers.add(bell);
    try {
      let seen: Snapshot | null = null;
      while (!ended.aborted) {
        if (seen === this.#snapshot) {
          await bell.wait(ended);
        } else {
          seen = this.#snapshot;
          yield seen;
        }
      }
    } finally {
      this.#readers.delete(bell);
    }
  }

  /** Calls `tell` with databases that have changed, as soon as this is known. */
  tellChanges(tell: (sources: readonly SourceName[]) => void): void {
    this.#told.add(tell);
  }

  /** Looks again at these databases, which may have changed. */
  async look(sources: readonly SourceName[]): Promise<void> {
    await Promise.all(sources.map((source) => this.#looks.next(source)));
  }

  /**
   * What the catalog would be with this metadata; publishes nothing. When something new does not hold, the databases
   * are read again first: the table may have been created a moment ago.
   */
  async tryResolve(metadata: Metadata): Promise<Catalog> {
    return (await this.#tried(metadata, 'unknown')).catalog;
  }

  async #tried(
    metadata: Metadata,
    toRead: 'unknown' | 'noted',
  ): Promise<{ readonly readings: SourceReadings; readonly catalog: Catalog }> {
    const { inconsistent } = this.#snapshot.catalog;
    const known = await this.#against(metadata, toRead);
    if (!hasNewProblem(known.catalog, inconsistent)) return known;
    return this.#against(metadata, toRead === 'noted' ? 'answering' : 'all');
  }

  async #against(
    metadata: Metadata,
    toRead: ToRead,
  ): Promise<{ readonly readings: SourceReadings; readonly catalog: Catalog }> {
    const readings = await this.#consult(metadata, toRead);
    const { generation, resourceVersion } = this.#snapshot.catalog;
    const version = { generation, resourceVersion };
    return { readings, catalog: this.#resolver.resolve(metadata, readings.introspections(), version) };
  }

  /** Reads the stored metadata and every database again, and publishes what changed. */
  refresh(): Promise<void> {
    return this.#inTurn(() => this.#rebuild((metadata) => this.#consult(metadata, 'all')));
  }

  /** As `refresh`, but reads only databases that say that they have changed. */
  follow(): Promise<void> {
    return this.#inTurn(() => this.#rebuild((metadata) => this.#consult(metadata, 'changed')));
  }

  #consult(metadata: Metadata, toRead: ToRead): Promise<SourceReadings> {
    return this.#book.consult(metadata, toRead, this.#closed.signal);
  }

  /**
   * A statement did not fit databases as the catalog of `generation` describes them: looks soon whether they have changed. True if
   * there is a newer catalog then. However often this is called, a database is asked at most a few times a second.
   */
  async renewed(sources: readonly SourceName[], generation: number): Promise<boolean> {
    const isNewer = (): boolean => this.#snapshot.catalog.generation > generation;
    if (isNewer()) return true;
    await firstOf(
      this.#closed.signal,
      () => this.look(sources),
      (until) => systemClock.delay(LONGEST_LOOK_MS, until),
    );
    return isNewer();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#loops);
    await Promise.all([this.#queue, this.#looks.ended()]);
  }

  async #followStore(): Promise<void> {
    for await (const version of this.#options.store.listen(this.#closed.signal)) {
      if (version === this.#basis.stored.resourceVersion) continue;
      await this.#untilDone(() =>
        // The node that saved this version has read the databases for it and noted what they said.
        this.#rebuild(async (metadata) => (await this.#tried(metadata, 'noted')).readings),
      );
    }
  }

  /** A version is told once: what fails over it is tried until it works. */
  async #untilDone(work: () => Promise<void>): Promise<void> {
    const { retryMs, longestRetryMs } = { ...DEFAULT_INTERVALS, ...this.#options.intervals };
    const inTurn = (): Promise<void> => this.#inTurn(work);
    for (let restMs = retryMs; !(await this.#guarded('metadata', inTurn)); restMs *= 2)
      await systemClock.delay(Math.min(restMs, longestRetryMs), this.#closed.signal);
  }

  async #followSources(): Promise<void> {
    const { retryMs, fingerprintMs } = { ...DEFAULT_INTERVALS, ...this.#options.intervals };
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await systemClock.delay(Math.min(retryMs, fingerprintMs), signal);
      if (signal.aborted) return;
      // Each by itself: nothing waits for a database that does not answer.
      for (const source of this.#book.due()) if (this.#looks.isIdle(source)) void this.#looks.next(source);
    }
  }

  async #look(source: SourceName): Promise<void> {
    if (this.#closed.signal.aborted) return;
    const readings = await this.#book.look(source, this.#closed.signal);
    if (readings !== null) this.#publish({ stored: this.#basis.stored, readings });
  }

  async #rebuild(read: (metadata: Metadata) => Promise<SourceReadings>): Promise<void> {
    const stored = await orStopped(this.#options.store.load(), this.#closed.signal);
    this.#publish({ stored, readings: await read(stored.metadata) });
  }

  #publish(found: Basis): void {
    if (this.#closed.signal.aborted) return;
    const { stored, readings } = this.#basis;
    const basis = { stored: found.stored, readings: this.#book.keep(found.readings) };
    const isSame = stored.resourceVersion === basis.stored.resourceVersion && readings.sameAs(basis.readings);
    if (isSame) return;
    this.#basis = basis;
    this.#snapshot = this.#build(basis, this.#snapshot.catalog.generation + 1);
    const others = basis.readings.differingFrom(readings);
    for (const tell of others.length === 0 ? [] : this.#told) tell(others);
    for (const bell of this.#readers) bell.notify();
  }

  #build({ stored, readings }: Basis, generation: number): Snapshot {
    const { metadata, resourceVersion } = stored;
    const version = { resourceVersion, generation };
    const catalog = this.#resolver.resolve(metadata, readings.introspections(), version);
    const context = { resourceVersion, generation, inconsistent: catalog.inconsistent.length };
    this.#options.log.info(context, 'catalog ready');
    for (const source of catalog.sources.values()) {
      if (source.unavailable === null) continue;
      this.#options.log.warn({ source: source.name, reason: source.unavailable }, 'source unavailable');
    }
    return Object.freeze({ catalog, metadata, urls: readings.urls() });
  }

  /** One rebuild at a time, in the order they were asked for. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work, work);
    this.#queue = turn.catch(() => undefined);
    return await turn;
  }

  /** Whether it is done, or nobody wants it any more. */
  async #guarded(what: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (this.#closed.signal.aborted) return true;
      this.#options.log.warn({ what, reason: messageOf(error) }, 'catalog not updated');
      return false;
    }
  }
}

function hasNewProblem(catalog: Catalog, known: readonly InconsistentObject[]): boolean {
  const before = new Set(known.map((problem) => `${problem.name}\n${problem.reason}`));
  return catalog.inconsistent.some((problem) => !before.has(`${problem.name}\n${problem.reason}`));
}
