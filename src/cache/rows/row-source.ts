import { travelsAsText } from '../../catalog/type/travel-type.ts';
import { arrayLiteral } from '../../core/postgres/array-literal.ts';
import { type Cell, notSent, type Row, UNCHANGED } from '../../core/rows/row.ts';
import { inStage } from '../names.ts';
import type { CacheShape } from '../table/ddl.ts';

/** The COPY data that follows a statement: rows, or what `data` makes instead of them. */
export interface RowCopy {
  readonly rows: readonly Row[];
  readonly positions: readonly number[];
  /** Makes the messages; a promise among them is waited for. */
  readonly data?: () => Iterable<Buffer | Promise<void>>;
  /** The stage they are copied into, which must be empty; null when they go straight where they belong. */
  readonly stage: string | null;
}

/** One statement of a write: the same text comes again and again, so it is worth preparing. */
export interface WriteStatement {
  readonly text: string;
  readonly values: readonly (string | null)[];
  /** How many rows it must touch, where that is known; another number means that the copy differs from the target. */
  readonly expected?: number | undefined;
  readonly copy?: RowCopy;
  /** It makes something of the session's own, so its failure is not the table's. */
  readonly isOfSession?: true;
}

/**
 * How rows reach the statement that writes them: one row as parameters, some as array parameters, many copied into a
 * table of the session's first.
 */
export type Carrier = 'row' | 'arrays' | 'stage';

/** What can be written to a cache table, or to the overlay that stands in for it during a copy. */
export interface RowWriter {
  /** Whole rows: inserted, or put in the place of the row with their key. */
  upsert(rows: readonly Row[], carrier: Carrier): readonly WriteStatement[];
  /** Many whole rows with keys that are not there; null where that cannot be known. */
  readonly append: ((rows: readonly Row[]) => WriteStatement) | null;
  /** Rows by their key: only the key's cells are looked at. */
  remove(rows: readonly Row[], carrier: Carrier): readonly WriteStatement[];
  /** Rows of which the columns at `missing` were not sent. */
  partial(rows: readonly Row[], missing: readonly number[], carrier: Carrier): readonly WriteStatement[];
  /** One row whose key changes while some columns were not sent. */
  rekey(before: Row, after: Row): readonly WriteStatement[];
  /** Removes all rows. */
  clear(): WriteStatement;
}

/** Where the key's columns stand among the shape's. */
export function keyPositions({ columns, key }: Pick<CacheShape, 'columns' | 'key'>): readonly number[] {
  return columns.flatMap(({ name }, index) => (key.includes(name) ? [index] : []));
}

/** The positions of cells the target did not send. */
export function missingPositions(row: Row): readonly number[] {
  return Array.from({ length: row.width }, (_, at) => at).filter((at) => !row.has(at));
}

/** The text of a cell that must have been sent. */
export function sent(cell: Cell): string | null {
  if (cell === UNCHANGED) throw notSent();
  return cell;
}

/** Rows of a shape with the columns at some positions, as an item `u` of a FROM clause. */
export interface RowSource {
  readonly carrier: Carrier;
  readonly from: string;
  /** The columns as expressions of their own types, in the order of the positions. */
  readonly columns: readonly string[];
}

/** One parameter for each of the columns. */
function parameterSource(shape: CacheShape, positions: readonly number[]): RowSource {
  const values = positions.map((at, index) => `${valueAs(shape, at, index + 1)} as c${at + 1}`);
  return {
    carrier: 'row',
    from: `(select ${values.join(', ')}) as u`,
    columns: positions.map((at) => `u.c${at + 1}`),
  };
}

/** One array parameter for each of the columns. */
function arraySource({ columns }: CacheShape, positions: readonly number[]): RowSource {
  const arrays = positions.map(
    (at, index) => `$${index + 1}::${parameterType(columns[at]?.type ?? 'text')}[]`,
  );
  const names = positions.map((at) => `c${at + 1}`);
  return {
    carrier: 'arrays',
    from: `unnest(${arrays.join(', ')}) as u (${names.join(', ')})`,
    columns: positions.map((at, index) => {
      const type = columns[at]?.type ?? 'text';
      return parameterType(type) === type ? `u.${names[index]}` : `u.${names[index]}::${type}`;
    }),
  };
}

/** A table of the session's own that rows are copied into, empty at the begin of every transaction. */
function stageSource(relation: string, positions: readonly number[]): RowSource {
  return {
    carrier: 'stage',
    from: `${inStage(relation)} as u`,
    columns: positions.map((at) => `u.c${at + 1}`),
  };
}

/** Makes the stage when it is not there yet; its columns have the types of the table it leads to. */
function createStageSql(relation: string, { columns }: CacheShape): string {
  const list = columns.map(({ type }, index) => `c${index + 1} ${type}`).join(', ');
  return `create temporary table if not exists ${inStage(relation)} (${list}) on commit delete rows`;
}

/** How to write rows into one relation, whatever carries them. */
export class CarriedWrite {
  readonly #texts: Readonly<Record<Carrier, string>>;
  readonly #stage: { readonly create: string; readonly copy: string; readonly name: string };
  readonly #positions: readonly number[];

  /** `text` makes the statement from where the rows are; `relation` is what it writes to. */
  constructor(
    relation: string,
    shape: CacheShape,
    positions: readonly number[],
    text: (source: RowSource) => string,
  ) {
    const names = positions.map((at) => `c${at + 1}`).join(', ');
    this.#texts = {
      row: text(parameterSource(shape, positions)),
      arrays: text(arraySource(shape, positions)),
      stage: text(stageSource(relation, positions)),
    };
    this.#stage = {
      create: createStageSql(relation, shape),
      copy: `copy ${inStage(relation)} (${names}) from stdin`,
      name: inStage(relation),
    };
    this.#positions = positions;
  }

  statements(rows: readonly Row[], carrier: Carrier, expected?: number): readonly WriteStatement[] {
    const text = this.#texts[carrier];
    if (carrier === 'row') {
      const values: (string | null)[] = [];
      for (const row of rows) for (const at of this.#positions) values.push(sent(row.cell(at)));
      return [{ text, values, expected }];
    }
    if (carrier === 'arrays') return [{ text, values: columnArrays(rows, this.#positions), expected }];
    const { create, copy, name } = this.#stage;
    return [
      { text: create, values: [], isOfSession: true },
      { text: copy, values: [], copy: { rows, positions: this.#positions, stage: name } },
      { text, values: [], expected },
    ];
  }
}

function columnArrays(rows: readonly Row[], positions: readonly number[]): readonly string[] {
  return positions.map((at) => arrayLiteral(rows.map((row) => sent(row.cell(at)))));
}

/** A single value's parameter, read by its type's own input function. */
export function valueAs(shape: CacheShape, at: number, parameter: number): string {
  return `$${parameter}::${shape.columns[at]?.type ?? 'text'}`;
}

function parameterType(type: string): string {
  return travelsAsText(type) ? 'text' : type;
}
