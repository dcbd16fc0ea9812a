import type { Log } from '../../core/log.ts';
import type { SourceName } from '../../core/names.ts';
import { orStopped } from '../../core/waiting/or-stopped.ts';
import { say } from '../say.ts';

/** A slot of ours on a target, and whose feed it is. */
export interface NotedSlot {
  readonly slot: string;
  readonly source: SourceName;
  readonly target: SourceName;
}

/**
 * Which slots there are, kept beside the metadata and not in the source databases: a source may leave the metadata, or
 * be out of reach, while nobody runs, and its slot must be found all the same. The newest note of a slot counts.
 */
export interface SlotBook {
  noted(): Promise<readonly NotedSlot[]>;
  note(slot: NotedSlot): Promise<void>;
  /** Does nothing when the slot is another source's by now. */
  forget(slot: Omit<NotedSlot, 'target'>): Promise<void>;
}

interface Named {
  readonly source: SourceName;
  readonly target: SourceName;
  readonly targetUrl: string | null;
  readonly runner: { readonly slot: string | null; readonly isDropped: boolean };
}

/** What is known of the book. Feeds run without it: one that is out of reach costs only what would have been noted. */
export class SlotNotes {
  readonly #book: SlotBook;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  #noted: readonly NotedSlot[] = [];

  /** Once the signal has aborted a book that does not answer is not waited for. */
  constructor(book: SlotBook, log: Log, signal: AbortSignal) {
    this.#book = book;
    this.#log = log;
    this.#signal = signal;
  }

  get noted(): readonly NotedSlot[] {
    return this.#noted;
  }

  /** The slot a feed had last, if anybody noted it. */
  slotOf({ source, target }: Omit<NotedSlot, 'slot'>): string | null {
    return this.#noted.find((each) => each.source === source && each.target === target)?.slot ?? null;
  }

  /** Reads the book; slots of running feeds that could not be noted before are noted now. */
  async read(running: Iterable<Named>): Promise<void> {
    for (const { source, target, runner } of running) {
      const { slot } = runner;
      const isNoted = this.#noted.some((each) => each.slot === slot && each.source === source);
      if (slot !== null && !isNoted) await this.note({ slot, source, target });
    }
    await this.#try(async () => {
      this.#noted = await this.#book.noted();
    });
  }

  note(slot: NotedSlot): Promise<void> {
    return this.#try(() => this.#book.note(slot));
  }

  /** Forgets the slot of a feed that was dropped; not where the feed was stopped, or its target's address is unknown. */
  async forgetDropped({ source, target, targetUrl, runner }: Named): Promise<void> {
    const slot = runner.slot ?? this.slotOf({ source, target });
    if (runner.isDropped && targetUrl !== null && slot !== null)
      await this.#try(() => this.#book.forget({ slot, source }));
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await orStopped(work(), this.#signal);
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#log.warn({ error: say(error) }, 'notes of slots could not be read or written');
    }
  }
}
