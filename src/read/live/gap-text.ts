import { must } from '../../core/assert.ts';
import { keptIn } from '../../core/kept-in.ts';
import { GAP_MARK } from '../../sql/shape/gap.ts';
import { RowTooLarge } from '../wire/failure.ts';
import type { WireRow } from '../wire/request.ts';

const MARK = GAP_MARK.charCodeAt(0);

/** One gap of a text: the bytes it takes up, its place, and which of the place's keys fills it. */
interface Opening {
  readonly start: number;
  readonly end: number;
  readonly place: number;
  readonly key: number;
}

/** The gaps of an answer's cells, and the different keys of each place in the order they were met. */
export class GapText {
  readonly #cells: WireRow;
  readonly #openings: readonly (readonly Opening[])[];
  readonly #keys = new Map<number, Map<string, number>>();

  constructor(cells: WireRow) {
    this.#cells = cells;
    this.#openings = cells.map((cell) => (cell === null ? [] : this.#find(cell)));
  }

  /** The keys of a place: JSON values with commas between them. */
  keys(place: number): readonly string[] {
    return [...(this.#keys.get(place)?.keys() ?? [])];
  }

  /** The cells with every gap filled by the text of its key. `limit` is the longest answer allowed. */
  filled(texts: ReadonlyMap<number, readonly Buffer[]>, limit: number): WireRow {
    return this.#cells.map((cell, i) => {
      const openings = this.#openings[i] ?? [];
      return cell === null || openings.length === 0 ? cell : fill(cell, openings, { texts, limit });
    });
  }

  #find(cell: Buffer): readonly Opening[] {
    const openings: Opening[] = [];
    let end = 0;
    for (let start = cell.indexOf(MARK); start >= 0; start = cell.indexOf(MARK, end)) {
      const close = cell.indexOf(MARK, start + 1);
      if (close < 0) throw new Error('bug: a gap without an end');
      end = close + 1;
      openings.push(this.#opening(cell, start, end));
    }
    return openings;
  }

  #opening(cell: Buffer, start: number, end: number): Opening {
    const comma = cell.indexOf(0x2c, start);
    const place = Number(cell.toString('latin1', start + 1, comma));
    const text = cell.toString('utf8', comma + 1, end - 1);
    const known = keptIn(this.#keys, place, () => new Map());
    const key = known.get(text) ?? known.size;
    known.set(text, key);
    return { start, end, place, key };
  }
}

function fill(
  cell: Buffer,
  openings: readonly Opening[],
  { texts, limit }: { readonly texts: ReadonlyMap<number, readonly Buffer[]>; readonly limit: number },
): Buffer {
  const fillings = openings.map(({ place, key }) => must(texts.get(place)?.[key], 'text of a gap'));
  const length = openings.reduce(
    (sum, { start, end }, i) => sum - (end - start) + (fillings[i]?.length ?? 0),
    cell.length,
  );
  if (length > limit) throw new RowTooLarge(length, limit);
  const out = Buffer.allocUnsafe(length);
  let from = 0;
  let at = 0;
  openings.forEach(({ start, end }, i) => {
    at += cell.copy(out, at, from, start);
    at += fillings[i]?.copy(out, at) ?? 0;
    from = end;
  });
  cell.copy(out, at, from);
  return out;
}

/** Takes the texts of a place's keys apart; `count` of them must be there. */
export function textsOf(cell: Buffer | null, count: number): readonly Buffer[] {
  if (cell === null) return [];
  const texts: Buffer[] = [];
  let from = 0;
  for (let to = cell.indexOf(MARK); to >= 0; to = cell.indexOf(MARK, from)) {
    texts.push(cell.subarray(from, to));
    from = to + 1;
  }
  texts.push(cell.subarray(from));
  if (texts.length !== count) throw new Error(`bug: ${texts.length} texts for ${count} keys`);
  return texts;
}
