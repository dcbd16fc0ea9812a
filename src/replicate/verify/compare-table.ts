import { type KeyRange, keyText, type RowKey, type RowMark } from '../../core/rows/compared-rows.ts';
import { type Compared, isSameOrder, type Sides, untilCaughtUp, type VerifyScene } from './sides.ts';

/** How much is read at once. */
export interface ReadPace {
  readonly pageRows: number;
  /** Pages of the target read before waiting for the cache to have caught up with them. */
  readonly pagesAtOnce: number;
  /** Null: as fast as it goes. */
  readonly rowsPerSecond: number | null;
}

/** The pace of a comparison an administrator waits for. */
export const USUAL_PACE: ReadPace = { pageRows: 10_000, pagesAtOnce: 4, rowsPerSecond: null };

/** What a pass over a table calls back. */
export interface PassOptions {
  readonly pace: ReadPace;
  /** So many more rows were looked at. */
  readonly onRows: (rows: number) => Promise<void>;
  /** Keys whose rows differed: perhaps only because they were changing. False ends the pass. */
  readonly onSuspects: (keys: readonly RowKey[]) => Promise<boolean>;
}

const WHOLE: KeyRange = { after: null, upTo: null };

/** Reads both sides once, in pieces; every row that may differ is told as a suspect. */
export async function comparePieces(
  compared: Compared,
  options: PassOptions,
  signal: AbortSignal,
): Promise<void> {
  const pass = new Pass(compared, options, signal);
  if (isSameOrder(compared.sides.stored)) await pass.byRanges();
  else await pass.byKeys();
}

interface Piece extends KeyRange {
  readonly rows: number;
  readonly digest: string;
}

type Reading = () => Promise<readonly Piece[]>;

class Pass {
  readonly #scene: VerifyScene;
  readonly #sides: Sides;
  readonly #options: PassOptions;
  readonly #signal: AbortSignal;

  constructor({ scene, sides }: Compared, options: PassOptions, signal: AbortSignal) {
    this.#scene = scene;
    this.#sides = sides;
    this.#options = options;
    this.#signal = signal;
  }

  /** Ranges are cut where the target's pages end; only checksums travel where nothing differs. */
  async byRanges(): Promise<void> {
    const { pace, onSuspects, onRows } = this.#options;
    for (let next: Reading | null = this.#reading(null); next !== null; ) {
      const startedMs = this.#scene.clock.monotonicMs();
      const pieces: readonly Piece[] = await next();
      const end = pieces.at(-1)?.upTo ?? null;
      next = end === null ? null : this.#reading(end);
      await untilCaughtUp(this.#scene, this.#signal);
      for (const piece of pieces) {
        const here = await this.#sides.cache.digest(piece, pace.pageRows + 1);
        if (here.rows === piece.rows && here.digest === piece.digest) continue;
        if (!(await onSuspects(await this.#differing(piece)))) return;
      }
      const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
      await onRows(rows);
      await this.#rest(rows, startedMs);
    }
  }

  /** Where nobody minds the load the target is read on while the cache is compared. */
  #reading(after: RowKey | null): Reading {
    if (this.#options.pace.rowsPerSecond !== null) return () => this.#readPieces(after);
    const pieces = this.#readPieces(after);
    pieces.catch(() => undefined); // whoever asks for them is told; nobody does where the comparison has ended
    return () => pieces;
  }

  /** The last piece is open at its end, for rows of the copy past the target's last. */
  async #readPieces(from: RowKey | null): Promise<Piece[]> {
    const { pageRows, pagesAtOnce } = this.#options.pace;
    const pieces: Piece[] = [];
    let after = from;
    while (pieces.length < pagesAtOnce) {
      const { rows, digest, last } = await this.#sides.target.digest({ after, upTo: null }, pageRows);
      const upTo = rows < pageRows ? null : last;
      pieces.push({ after, upTo, rows, digest });
      if (upTo === null) break;
      after = upTo;
    }
    return pieces;
  }

  async #differing(range: KeyRange): Promise<readonly RowKey[]> {
    const limit = this.#options.pace.pageRows * 2;
    const there = await this.#sides.target.marks(range, limit);
    await untilCaughtUp(this.#scene, this.#signal);
    return differingKeys(there, await this.#sides.cache.marks(range, limit));
  }

  /** Where the sides sort differently one side's keys are looked up on the other, then the other way round. */
  async byKeys(): Promise<void> {
    const { target, cache } = this.#sides;
    const { onRows, onSuspects } = this.#options;
    const wentOn = await this.#pages(target, async (there) => {
      await untilCaughtUp(this.#scene, this.#signal);
      const here = await cache.find(there.map(({ key }) => key));
      const goesOn = await onSuspects(differingKeys(there, here));
      if (goesOn) await onRows(there.length);
      return goesOn;
    });
    if (!wentOn) return;
    await this.#pages(cache, async (here) => {
      const found = new Set((await target.find(here.map(({ key }) => key))).map(({ key }) => keyText(key)));
      return onSuspects(here.map(({ key }) => key).filter((key) => !found.has(keyText(key))));
    });
  }

  async #pages(
    side: Sides['target'],
    look: (page: readonly RowMark[]) => Promise<boolean>,
  ): Promise<boolean> {
    const { pace } = this.#options;
    for (let range = WHOLE; ; ) {
      const startedMs = this.#scene.clock.monotonicMs();
      const page = await side.marks(range, pace.pageRows);
      if (!(await look(page))) return false;
      const last = page.at(-1);
      if (last === undefined || page.length < pace.pageRows) return true;
      range = { after: last.key, upTo: null };
      await this.#rest(page.length, startedMs);
    }
  }

  async #rest(rows: number, startedMs: number): Promise<void> {
    const { rowsPerSecond } = this.#options.pace;
    this.#signal.throwIfAborted();
    if (rowsPerSecond === null) return;
    const spentMs = this.#scene.clock.monotonicMs() - startedMs;
    await this.#scene.clock.delay(Math.max(0, (rows * 1000) / rowsPerSecond - spentMs), this.#signal);
    this.#signal.throwIfAborted();
  }
}

/** Keys that are on one side only, or whose rows differ. */
export function differingKeys(there: readonly RowMark[], here: readonly RowMark[]): readonly RowKey[] {
  const unseen = new Map(here.map((mark) => [keyText(mark.key), mark]));
  const keys: RowKey[] = [];
  for (const { key, digest } of there) {
    const text = keyText(key);
    if (unseen.get(text)?.digest !== digest) keys.push(key);
    unseen.delete(text);
  }
  return [...keys, ...[...unseen.values()].map(({ key }) => key)];
}
