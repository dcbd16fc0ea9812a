import { messageOf } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { SourceName } from '../../core/names.ts';
import { systemClock } from '../../core/waiting/clock.ts';
import { sourceUrl } from '../../metadata/connection-url.ts';
import type { Metadata, SourceMetadata } from '../../metadata/model.ts';
import { type Asked, answersAll, askedOf, askedText, covers } from '../introspect/asked.ts';
import { fingerprintOf, introspect } from '../introspect.ts';
import { type Found, type Introspection, type Introspections, isAvailable } from '../introspection.ts';
import { NotedReadings, type ReadingNotes } from './noted-reading.ts';

/** How often databases are asked whether they changed, and how long they may take to answer. */
export interface Intervals {
  /** Between two cheap looks at an available database. */
  readonly fingerprintMs: number;
  /** Between two full readings. */
  readonly fullMs: number;
  /** The first pause before an unavailable database is tried again; doubled up to `longestRetryMs`. */
  readonly retryMs: number;
  readonly longestRetryMs: number;
  readonly timeoutMs: number;
}

/** Intervals for production. */
export const DEFAULT_INTERVALS: Intervals = {
  fingerprintMs: 5_000,
  fullMs: 60_000,
  retryMs: 1_000,
  longestRetryMs: 15_000,
  timeoutMs: 15_000,
};

/** What is known of one database, and when to ask it again. */
interface Entry {
  readonly url: string | null;
  readonly asked: Asked;
  readonly found: Found;
  readonly readAt: number;
  readonly lookedAt: number;
  readonly dueAt: number;
  readonly failures: number;
}

/** A source as the metadata describes it now. */
interface Described {
  readonly url: string | null;
  readonly problem: string | null;
  readonly asked: Asked;
}

/**
 * Which databases `consult` reads. `unknown`: those that this node has not read yet. `noted`: of these only the ones that no other node
 * has just read and noted. `changed`: also those that say that they have changed. `all`: every one.
 */
export type ToRead = 'unknown' | 'noted' | 'changed' | 'all';

/** What a book needs from outside. */
export interface BookOptions {
  readonly notes: ReadingNotes;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly intervals?: Partial<Intervals>;
  /** Another book watches the same databases and tells which have changed, so this one only does its full readings by itself. */
  readonly isTold?: boolean;
}

/** The last introspection of every source; unchanged ones are the same object again. */
export class SourceBook {
  readonly #options: BookOptions;
  readonly #intervals: Intervals;
  readonly #notes: NotedReadings;
  #entries: ReadonlyMap<SourceName, Entry> = new Map();
  /** What was read to try new metadata: it is needed again when the metadata is stored, a moment later. */
  #tried: ReadonlyMap<SourceName, Entry> = new Map();

  constructor(options: BookOptions) {
    this.#options = options;
    this.#intervals = { ...DEFAULT_INTERVALS, ...options.intervals };
    this.#notes = new NotedReadings(options.notes, options.log);
  }

  /** What the databases of this metadata say of themselves. */
  async consult(metadata: Metadata, toRead: ToRead, signal: AbortSignal): Promise<SourceReadings> {
    const before = this.#entries;
    const entries = await Promise.all(
      metadata.sources.map(async (source): Promise<[SourceName, Entry]> => {
        return [source.name, await this.#consulted(source, toRead, signal)];
      }),
    );
    this.#tried = new Map(entries.filter(([name, entry]) => entry !== before.get(name)));
    return new SourceReadings(new Map(entries));
  }

  async #consulted(source: SourceMetadata, toRead: ToRead, signal: AbortSignal): Promise<Entry> {
    const described = this.#describe(source);
    const known = this.#entries.get(source.name);
    if (toRead === 'all') return this.#read(described, known, signal);
    if (!fits(known, described) || !this.#isRecent(known)) {
      const spared = await this.#spared(source.name, described, toRead);
      return spared ?? (await this.#read(described, known, signal));
    }
    const isSame = toRead !== 'changed' || (await this.#isAsRead(known, signal));
    return isSame ? known : this.#read(described, known, signal);
  }

  /** Takes these readings as what is known from now on. */
  keep(readings: SourceReadings): void {
    this.#entries = readings.entries;
  }

  /** Asks the databases that are due, or just `only` one at once; null when none of them has changed. */
  async renew(signal: AbortSignal, only: SourceName | null = null): Promise<SourceReadings | null> {
    const now = systemClock.monotonicMs();
    const before = this.#entries;
    const isAsked = (name: SourceName, { dueAt }: Entry): boolean =>
      only === null ? dueAt <= now : name === only;
    const entries = await Promise.all(
      [...before].map(async ([name, entry]): Promise<[SourceName, Entry]> => {
        return [name, isAsked(name, entry) ? await this.#renewed(entry, signal) : entry];
      }),
    );
    const readings = new SourceReadings(new Map(entries));
    const isSame = entries.every(([name, entry]) => before.get(name)?.found === entry.found);
    if (isSame && this.#entries === before) this.keep(readings);
    return isSame ? null : readings;
  }

  /** Whether an entry may be used without asking: a failure only until it is time to try again. */
  #isRecent(entry: Entry): boolean {
    return isAvailable(entry.found) || entry.dueAt > systemClock.monotonicMs();
  }

  /** Whether the database was looked at so lately that it need not be looked at again. */
  #isFresh(entry: Entry): boolean {
    return isAvailable(entry.found) && this.#ageMs(entry) < this.#intervals.fingerprintMs;
  }

  #ageMs({ lookedAt }: Entry): number {
    return systemClock.monotonicMs() - lookedAt;
  }

  /** What spares reading a database: what was read to try this metadata, or what another node has just noted. */
  async #spared(name: SourceName, described: Described, toRead: ToRead): Promise<Entry | null> {
    const tried = this.#tried.get(name);
    if (fits(tried, described) && this.#isFresh(tried)) return tried;
    return toRead === 'noted' ? await this.#justNoted(described) : null;
  }

  /** Whether a database says the same of itself as when it was read; the rows of enum tables are not in that. */
  async #isAsRead(entry: Entry, signal: AbortSignal): Promise<boolean> {
    const { url, found, asked } = entry;
    if (url === null || !isAvailable(found) || asked.enumTables.length > 0) return false;
    const fingerprint = await this.#fingerprint(url, asked, signal).catch(() => null);
    return fingerprint === found.fingerprint;
  }

  #fingerprint(url: string, { functions }: Asked, signal: AbortSignal): Promise<string> {
    return fingerprintOf(url, { functions, timeoutMs: this.#intervals.timeoutMs, signal });
  }

  async #renewed(entry: Entry, signal: AbortSignal): Promise<Entry> {
    if (entry.url === null) return this.#dated(entry, entry.found);
    const isFullTime = systemClock.monotonicMs() - entry.readAt >= this.#intervals.fullMs;
    if (!isFullTime && isAvailable(entry.found)) {
      try {
        const fingerprint = await this.#fingerprint(entry.url, entry.asked, signal);
        if (fingerprint === entry.found.fingerprint)
          return { ...this.#dated(entry, entry.found), readAt: entry.readAt };
      } catch {
        // Down for now: what was known is kept for cached reads, as nobody can tell yet whether it has changed.
        const looked = this.#dated(entry, entry.found);
        return { ...looked, readAt: entry.readAt, dueAt: looked.lookedAt + this.#intervals.fingerprintMs };
      }
    }
    return this.#read({ url: entry.url, problem: null, asked: entry.asked }, entry, signal);
  }

  async #read(described: Described, entry: Entry | undefined, signal: AbortSignal): Promise<Entry> {
    const found = await this.#ask(described, signal);
    const old = entry !== undefined && entry.url === described.url ? entry.found : undefined;
    const base = { url: described.url, asked: described.asked, failures: entry?.failures ?? 0 };
    const kept = newer(old ?? (await this.#recalled(described, found)), found);
    if (kept !== old && isAvailable(found) && described.url !== null)
      await this.#notes.note(described.url, found);
    return this.#dated(base, kept);
  }

  /** What a database said last, for a node that has just started and gets no answer from it. */
  async #recalled({ url }: Described, found: Found): Promise<Introspection | undefined> {
    if (url === null || isAvailable(found)) return undefined;
    const recalled = await this.#notes.recall(url);
    if (recalled === null) return undefined;
    const { database } = recalled.reading.server;
    this.#options.log.warn(
      { database, reason: found.unavailable },
      'going by the last reading of a database',
    );
    return recalled.reading;
  }

  /** What another node has read a moment ago for the same metadata: as good as a reading of this node. */
  async #justNoted({ url, asked }: Described): Promise<Entry | null> {
    const recalled = url === null ? null : await this.#notes.recall(url);
    if (recalled === null) return null;
    const { reading, ageMs } = recalled;
    if (!answersAll(reading, asked) || ageMs < 0 || ageMs >= this.#intervals.fingerprintMs) return null;
    const { lookedAt, dueAt, ...entry } = this.#dated({ url, asked, failures: 0 }, reading);
    const at = lookedAt - ageMs;
    return { ...entry, readAt: at, lookedAt: at, dueAt: dueAt - ageMs };
  }

  async #ask(described: Described, signal: AbortSignal): Promise<Found> {
    if (described.url === null) return { unavailable: described.problem ?? 'no connection' };
    const { timeoutMs } = this.#intervals;
    try {
      return await introspect(described.url, { ...described.asked, timeoutMs, signal });
    } catch (error) {
      return { unavailable: messageOf(error) };
    }
  }

  #dated(entry: Pick<Entry, 'url' | 'asked' | 'failures'>, found: Found): Entry {
    const { fingerprintMs, fullMs, retryMs, longestRetryMs } = this.#intervals;
    const now = systemClock.monotonicMs();
    const failures = isAvailable(found) ? 0 : entry.failures + 1;
    const restMs = this.#options.isTold === true ? fullMs : fingerprintMs;
    const pause =
      failures === 0 ? restMs : Math.min(longestRetryMs, retryMs * 2 ** Math.min(failures - 1, 10));
    return { ...entry, found, failures, readAt: now, lookedAt: now, dueAt: now + pause };
  }

  #describe(source: SourceMetadata): Described {
    const asked = askedOf(source);
    try {
      const url = sourceUrl(source.configuration.connection_info, this.#options.env);
      return { url, problem: null, asked };
    } catch (error) {
      return { url: null, problem: messageOf(error), asked };
    }
  }
}

/** One consistent set of answers. */
export class SourceReadings {
  readonly entries: ReadonlyMap<SourceName, Entry>;

  constructor(entries: ReadonlyMap<SourceName, Entry>) {
    this.entries = entries;
  }

  introspections(): Introspections {
    return new Map([...this.entries].map(([name, entry]) => [name, entry.found]));
  }

  urls(): ReadonlyMap<SourceName, string> {
    return new Map(
      [...this.entries].flatMap(([name, { url }]) => (url === null ? [] : [[name, url] as const])),
    );
  }

  /** The databases that are in both and do not say the same. */
  differingFrom(other: SourceReadings): readonly SourceName[] {
    return [...this.entries].flatMap(([name, { found }]) => {
      const there = other.entries.get(name);
      return there === undefined || there.found === found ? [] : [name];
    });
  }

  /** Whether both would resolve to the same catalog, given the same metadata. */
  sameAs(other: SourceReadings): boolean {
    if (this.entries.size !== other.entries.size) return false;
    return [...this.entries].every(([name, entry]) => {
      const there = other.entries.get(name);
      return there !== undefined && there.found === entry.found && there.url === entry.url;
    });
  }
}

function fits(entry: Entry | undefined, described: Described): entry is Entry {
  return entry !== undefined && entry.url === described.url && covers(entry.asked, described.asked);
}

/** The old reading when the new one says the same or failed, else the new one: the same object always means "unchanged". */
function newer(old: Found | undefined, found: Found): Found {
  if (old === undefined) return found;
  if (!isAvailable(found)) return isAvailable(old) || old.unavailable === found.unavailable ? old : found;
  if (!isAvailable(old) || old.fingerprint !== found.fingerprint) return found;
  return askedText(old) === askedText(found) ? old : found;
}
