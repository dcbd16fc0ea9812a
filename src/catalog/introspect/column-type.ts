import { must } from '../../core/assert.ts';
import { keptIn } from '../../core/kept-in.ts';
import type { ColumnType } from '../catalog.ts';

/** A row of pg_type as the catalog query gives it. */
export type TypeRow = readonly [
  oid: number,
  name: string,
  schema: string,
  kind: string,
  category: string,
  element: number,
  base: number,
  sql: string,
  baseSql: string | null,
  labels: readonly string[] | null,
  parts: readonly number[] | null,
  ordered: boolean,
];

const KINDS: Readonly<Record<string, ColumnType['kind']>> = {
  b: 'base',
  e: 'enum',
  d: 'domain',
  c: 'composite',
  r: 'range',
  m: 'range',
  p: 'pseudo',
};

/** GraphQL scalars whose name is not Postgres' short name of the type. */
const SCALARS: Readonly<Record<string, string>> = {
  int2: 'smallint',
  int4: 'Int',
  int8: 'bigint',
  float4: 'Float',
  bool: 'Boolean',
  text: 'String',
  varchar: 'String',
};

/** Builds the types of columns from pg_type rows; `sqlText` carries the column's own modifier. */
export class TypeBook {
  readonly #rows: ReadonlyMap<number, TypeRow>;
  readonly #built = new Map<string, ColumnType>();

  constructor(rows: readonly TypeRow[]) {
    this.#rows = new Map(rows.map((row) => [row[0], row]));
  }

  /** The type with this oid, written in SQL as given, or else without a modifier. */
  type(oid: number, given?: string): ColumnType {
    const row = must(this.#rows.get(oid), `type ${oid}`);
    const sqlText = given ?? row[7];
    return keptIn(this.#built, `${oid} ${sqlText}`, () => this.#build(row, sqlText));
  }

  #build(row: TypeRow, sqlText: string): ColumnType {
    const [oid, name, schema, typtype, category, elementOid, baseOid, , baseSql, labels, parts, ordered] =
      row;
    const kind = elementOid === 0 ? (KINDS[typtype] ?? 'base') : 'array';
    const element =
      this.#part(elementOid, sqlText.replace(/\[\]$/, '')) ?? this.#part(baseOid, baseSql ?? '');
    return {
      oid,
      name,
      schema,
      sql: sqlText,
      kind,
      category,
      element,
      scalar: element === null ? scalarName(name) : element.scalar,
      ...(labels === null ? {} : { labels }),
      ...(parts === null ? {} : { parts: parts.map((part) => this.type(part)) }),
      ...(kind === 'base' && !ordered ? { unordered: true } : {}),
    };
  }

  #part(oid: number, sqlText: string): ColumnType | null {
    return oid === 0 ? null : this.type(oid, sqlText);
  }
}

/** The GraphQL scalar of a plain Postgres type, in Hasura's scheme; characters GraphQL forbids become `_`. */
export function scalarName(typeName: string): string {
  const name = SCALARS[typeName] ?? typeName;
  const safe = name.replace(/[^_0-9A-Za-z]/g, '_');
  return /^[0-9]/.test(safe) ? `_${safe}` : safe;
}
