import { postgresConnector } from '../../connectors/postgres/connector.ts';
import type { Timings } from '../../connectors/postgres/settings.ts';
import { systemClock } from '../../src/core/waiting/clock.ts';
import type { FeedLimits } from '../../src/replicate/feed-options.ts';
import type { SlotBook } from '../../src/replicate/slot/slot-book.ts';
import { type SupervisedSnapshot, Supervisor } from '../../src/replicate/supervisor.ts';
import { type FeedRig, QUICK, type SupervisorSettings } from './feed.ts';
import { logInto } from './log-lines.ts';
import { poll } from './poll.ts';
import { bareSource, Snapshots } from './snapshots.ts';

/** A supervisor whose catalog and addresses the test sets. */
export class Stage {
  readonly rig: FeedRig;
  readonly log: string[] = [];
  /** How often anything of it waited for time to pass. */
  rests = 0;
  readonly #snapshots = new Snapshots();
  #urls = new Map<string, string>();
  #listed = new Set(['pg1', 'pg2']);
  #away = new Set<string>();
  /** Of the process that is started next. */
  limits: Partial<FeedLimits>;
  book: SlotBook;
  readonly #timings: Partial<Timings>;
  #supervisor: Supervisor | null = null;

  constructor(
    rig: FeedRig,
    { limits = {}, timings = {} }: Pick<SupervisorSettings, 'limits' | 'timings'> = {},
  ) {
    this.rig = rig;
    this.limits = limits;
    this.book = rig.book;
    this.#timings = timings;
    this.move({ pg1: rig.source.url, pg2: rig.target.url });
  }

  /** As a process would that has the same notes as the one before. */
  start(): void {
    this.#supervisor = new Supervisor({
      catalogs: {
        changes: (signal) => this.#snapshots.of(() => this.#snapshot(), signal),
        refresh: () => Promise.resolve(),
      },
      connect: (url, name) =>
        postgresConnector({ url, name, log: logInto(this.log), timings: this.#timings }),
      limits: { ...QUICK, goneRetryMs: 500, ...this.limits },
      clock: {
        ...systemClock,
        delay: (ms, signal) => {
          this.rests += 1;
          return systemClock.delay(ms, signal);
        },
      },
      random: () => 0.5,
      log: logInto(this.log),
      onProbe: () => undefined,
      book: this.book,
    });
    this.#supervisor.start();
  }

  async stop(): Promise<void> {
    await this.#supervisor?.stop();
    this.#supervisor = null;
  }

  move(urls: Readonly<Record<string, string>>): void {
    this.#urls = new Map([...this.#urls, ...Object.entries(urls)]);
    this.#snapshots.changed();
  }

  /** They are not in the metadata any more. */
  unlist(names: readonly string[] = ['pg1', 'pg2']): void {
    for (const name of names) this.#listed.delete(name);
    this.#snapshots.changed();
  }

  list(names: readonly string[]): void {
    for (const name of names) this.#listed.add(name);
    this.#snapshots.changed();
  }

  /** The process that is started next cannot tell where they are: an environment variable is not set. */
  conceal(names: readonly string[]): void {
    this.lose(names);
    for (const name of names) this.#urls.delete(name);
  }

  /** They do not answer whoever reads the catalog. */
  lose(names: readonly string[]): void {
    this.#away = new Set(names);
  }

  lines(text: string): readonly string[] {
    return this.log.filter((line) => line.includes(text));
  }

  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    await poll(what, isSo).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.log.slice(-20).join('\n')}`);
    });
  }

  #snapshot(): SupervisedSnapshot {
    const unavailable = (name: string): string | null => (this.#away.has(name) ? 'down' : null);
    const sources = new Map(
      [...this.#listed].map((name) => [name, bareSource(name, { unavailable: unavailable(name) })]),
    );
    const urls = new Map([...this.#urls].filter(([name]) => this.#listed.has(name)));
    const isWhole = this.#listed.size === 2 && this.#away.size === 0;
    return { catalog: { sources, wanted: isWhole ? this.rig.wanted : [], resourceVersion: 1 }, urls };
  }
}
