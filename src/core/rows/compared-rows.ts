/** One table, in one of two databases, whose rows are held against the other's. Names are quoted, types this database's. */
export interface ComparedTable {
  readonly relation: string;
  readonly columns: readonly { readonly name: string; readonly isBytes: boolean }[];
  readonly key: readonly { readonly name: string; readonly type: string }[];
}

/** A row's key as text, in the order of the key's columns. */
export type RowKey = readonly string[];

/** A stretch of keys in the key's order: past the one, up to and with the other; null is open. */
export interface KeyRange {
  readonly after: RowKey | null;
  readonly upTo: RowKey | null;
}

/** A checksum over the rows of a range. */
export interface RangeDigest {
  readonly rows: number;
  readonly digest: string;
  /** The last row's key; null when there is none. */
  readonly last: RowKey | null;
}

/** One row without its values. */
export interface RowMark {
  readonly key: RowKey;
  /** A checksum over all compared columns. */
  readonly digest: string;
  /** Another whenever the row was written meanwhile. */
  readonly version: string;
  readonly bytes: number;
}

/** A row with its values as text, in the order of the table's columns. */
export interface RowCells {
  readonly key: RowKey;
  readonly cells: readonly (string | null)[];
}

/** Runs one statement on the database of the table. */
export type RunSql = (
  text: string,
  values: readonly unknown[],
) => Promise<readonly Readonly<Record<string, unknown>>[]>;

/** A text that is equal exactly when two keys are; for maps. */
export function keyText(key: RowKey): string {
  return JSON.stringify(key);
}

/**
 * Reads a table for comparison. Both sides build their statements here, because a checksum only says something when
 * it is made from the same text: the output of every column's type, in one order, as UTF-8.
 */
export class ComparedRows {
  readonly #table: ComparedTable;
  readonly #run: RunSql;

  constructor(table: ComparedTable, run: RunSql) {
    this.#table = table;
    this.#run = run;
  }

  /** The checksum of a range, or of its first rows when it has more than the limit, where both sides sort keys alike. */
  async digest(range: KeyRange, limit: number): Promise<RangeDigest> {
    const { where, order, values } = this.#rangeSql(range);
    const key = this.#table.key.map((_, index) => `k${index + 1}`);
    const named = this.#table.key.map(({ name }, index) => `t.${name} as k${index + 1}`);
    const [row] = await this.#run(
      `with page as materialized (
         select ${named.join(', ')}, ${SHORTENED} as body
         from (select ${this.#columnsSql()} from ${this.#table.relation} t ${where} order by ${order} limit ${limit}) t
         cross join lateral (${this.#bodySql()}) b)
       select count(*)::int as rows,
         encode(${digestOf(`coalesce(string_agg(body, e'\\n' order by ${key.join(', ')}), '')`)}, 'hex') as digest,
         (select ${keySql(key)} from page order by ${key.map((name) => `${name} desc`).join(', ')} limit 1) as last
       from page`,
      values,
    );
    const last = row?.['last'];
    return {
      rows: Number(row?.['rows'] ?? 0),
      digest: String(row?.['digest']),
      last: typeof last === 'string' ? parseKey(last) : null,
    };
  }

  /** The first rows of a range, in the key's order. */
  async marks(range: KeyRange, limit: number): Promise<readonly RowMark[]> {
    const { where, order, values } = this.#rangeSql(range);
    const rows = await this.#run(
      `select ${this.#markSql()} from (
         select ${this.#columnsSql()}, ${VERSION} as version from ${this.#table.relation} t ${where}
         order by ${order} limit ${limit}) t
       cross join lateral (${this.#bodySql()}) b
       order by ${order}`,
      values,
    );
    return rows.map(markOf);
  }

  /** The rows with these keys that are there. */
  async find(keys: readonly RowKey[]): Promise<readonly RowMark[]> {
    if (keys.length === 0) return [];
    const rows = await this.#run(
      `select ${this.#markSql()} from (
         select ${this.#columnsSql()}, ${VERSION} as version from ${this.#keysSql()} join ${this.#table.relation} t on ${this.#sameKeySql()}) t
       cross join lateral (${this.#bodySql()}) b`,
      this.#keyArrays(keys),
    );
    return rows.map(markOf);
  }

  /** The values of the rows with these keys that are there. */
  async cells(keys: readonly RowKey[]): Promise<readonly RowCells[]> {
    const { columns, relation } = this.#table;
    const list = columns.map(({ name }, at) => `t.${name}::text as c${at + 1}`).join(', ');
    const rows = await this.#run(
      `select ${this.#keySql()} as key, ${list} from ${this.#keysSql()} join ${relation} t on ${this.#sameKeySql()}`,
      this.#keyArrays(keys),
    );
    return rows.map((row) => ({
      key: parseKey(row['key']),
      cells: columns.map((_, at) => cellOf(row[`c${at + 1}`])),
    }));
  }

  #rangeSql({ after, upTo }: KeyRange): { where: string; order: string; values: readonly string[] } {
    const { key } = this.#table;
    const names = key.map(({ name }) => `t.${name}`);
    const values: string[] = [];
    const bound = (operator: string, at: RowKey | null): readonly string[] => {
      if (at === null) return [];
      const casts = key.map(({ type }, index) => `$${values.length + index + 1}::${type}`);
      values.push(...at);
      return [`(${names.join(', ')}) ${operator} (${casts.join(', ')})`];
    };
    const conditions = [...bound('>', after), ...bound('<=', upTo)];
    const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
    return { where, order: names.join(', '), values };
  }

  #columnsSql(): string {
    const names = new Set([...this.#table.key, ...this.#table.columns].map(({ name }) => name));
    return [...names].map((name) => `t.${name}`).join(', ');
  }

  /** A record prints every column by its type's own output, nulls apart from empty texts. Large bytes are not printed. */
  #bodySql(): string {
    const cells = this.#table.columns.map(({ name, isBytes }) =>
      isBytes ? `sha256(t.${name})` : `t.${name}`,
    );
    // Without the offset the expression would be computed once for each use.
    return `select row(${cells.join(', ')})::text as body offset 0`;
  }

  #markSql(): string {
    return `${this.#keySql()} as key, encode(${digestOf('b.body')}, 'hex') as digest, t.version, octet_length(b.body) as bytes`;
  }

  #keySql(): string {
    return keySql(this.#table.key.map(({ name }) => `t.${name}`));
  }

  #keysSql(): string {
    const parameters = this.#table.key.map((_, index) => `$${index + 1}::text[]`);
    return `unnest(${parameters.join(', ')}) as u (${this.#table.key.map((_, index) => `k${index + 1}`).join(', ')})`;
  }

  #sameKeySql(): string {
    return this.#table.key
      .map(({ name, type }, index) => `t.${name} = u.k${index + 1}::${type}`)
      .join(' and ');
  }

  #keyArrays(keys: readonly RowKey[]): readonly (readonly string[])[] {
    return this.#table.key.map((_, index) => keys.map((key) => key[index] ?? ''));
  }
}

// A row of a partitioned table has the place of its partition's; a row written again has another place or writer.
const VERSION = `concat_ws(' ', t.tableoid, t.ctid, t.xmin)`;

/** As text. */
export const SHORT_ROW_BYTES = 200;

/**
 * What stands for a row among thousands: itself where it is short, which is faster than a checksum of each, and else a checksum.
 * The two cannot be taken for each other, since a row begins with a parenthesis.
 */
const SHORTENED = `case when octet_length(b.body) <= ${SHORT_ROW_BYTES} then b.body else encode(${digestOf('b.body')}, 'hex') end`;

function keySql(columns: readonly string[]): string {
  return `json_build_array(${columns.map((column) => `${column}::text`).join(', ')})::text`;
}

function digestOf(body: string): string {
  return `sha256(convert_to(${body}, 'UTF8'))`;
}

function markOf(row: Readonly<Record<string, unknown>>): RowMark {
  return {
    key: parseKey(row['key']),
    digest: String(row['digest']),
    version: String(row['version']),
    bytes: Number(row['bytes']),
  };
}

function parseKey(text: unknown): RowKey {
  return JSON.parse(String(text)) as string[];
}

function cellOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
