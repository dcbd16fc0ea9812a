import { called, comparison, counted, quoted, relation, ruleSql, spelled, text } from './database-of.ts';
import {
  type Computed,
  type Field,
  isOwnOrder,
  isWanted,
  type Ordering,
  orderingsOf,
  type Part,
  type Query,
  type Root,
  type Rows,
  type StreamRoot,
} from './generate-query.ts';
import { typeOf } from './value-types.ts';
import {
  type ColumnModel,
  type Condition,
  columnNamed,
  fieldNamed,
  INHERITED,
  isEnumIn,
  permissionsFor,
  ROLES,
  relationshipNamed,
  type TableModel,
  tableNamed,
  timesOf,
  typeNamed,
  viewOf,
  type World,
} from './world.ts';

// The answer to a query as one plain statement over a database that holds every table, written as naively as can be.
// What a role sees of a table is a view: `c<n>` is its n-th column as the role sees it, `r<n>` as it is.

const SCHEMA_OF_ROLE = 'sees_';
const BIG_NUMBERS: ReadonlySet<string> = new Set(['bigint', 'numeric', 'double precision']);

/** The views of every role. */
export function viewsOf(world: World): readonly string[] {
  return ['admin', ...ROLES, INHERITED].flatMap((role) => [
    `create schema ${SCHEMA_OF_ROLE}${role}`,
    ...world.tables.map((table, index) => viewSql(world, table, role, index)),
  ]);
}

/** The rows, called `t`, that a role's rules do not let through. */
export function invisibleSql(world: World, table: TableModel, role: string): string {
  return `not exists (select from ${SCHEMA_OF_ROLE}${role}.v${world.tables.indexOf(table)} v where ${table.key.map((name) => `v.${raw(table, name)} = t.${quoted(name)}`).join(' and ')})`;
}

function viewSql(world: World, table: TableModel, role: string, index: number): string {
  const at = { table, alias: 't', root: 't', rootTable: table };
  const permissions = permissionsFor(table, role).map((permission) => ({
    ...permission,
    sql: ruleSql(world, permission.filter, at),
  }));
  const columns = table.columns.map(({ name }, i) => {
    const showing = permissions.filter((permission) => permission.columns.includes(name));
    const visible = role === 'admin' ? 'true' : showing.map(({ sql }) => sql).join(' or ') || 'false';
    return `case when ${visible} then t.${quoted(name)} end as c${i}, t.${quoted(name)} as r${i}`;
  });
  const rows = role === 'admin' ? 'true' : permissions.map(({ sql }) => sql).join(' or ') || 'false';
  const from = `${relation(table)} t, generate_series(1, ${timesOf(world, table)})`;
  return `create view ${SCHEMA_OF_ROLE}${role}.v${index} as select ${columns.join(', ')} from ${from} where ${rows}`;
}

/** The statement whose one cell is the answer's `data`. */
export function toSql(world: World, query: Query): string {
  return new Naive(world, query.role).query(query);
}

class Naive {
  readonly #world: World;
  readonly #role: string;
  #aliases = 0;

  constructor(world: World, role: string) {
    this.#world = world;
    this.#role = role;
  }

  query({ roots }: Query): string {
    const members = roots.map((root): [string, string] => [root.alias, this.#root(root)]);
    const answer = this.#world.naming.namespaced
      ? members.map((member): [string, string] => [`n_${member[0]}`, object([member])])
      : members;
    return `select ${object(answer)}::text as answer`;
  }

  #root(root: Root): string {
    const table = tableNamed(this.#world, root.table);
    const wanted = (): string => String('called' in root ? isWanted(table, root.called) : true);
    if (root.kind === 'list') return this.#list(table, root.rows, root.fields, wanted);
    if (root.kind === 'aggregate') return this.#aggregate(table, root.rows, root.parts, wanted);
    if (root.kind === 'stream') return this.#stream(table, root);
    const alias = this.#alias();
    const key = table.key.map(
      (name, i) =>
        `${alias}.${this.#cell(table, name)} = ${text(root.key[i]?.text)}::${typeOf(columnNamed(table, name).type).bare}`,
    );
    return `(select ${this.#object(table, root.fields, alias)} from ${this.#view(table)} ${alias} where ${key.join(' and ')})`;
  }

  #list(table: TableModel, rows: Rows, fields: readonly Field[], link: (alias: string) => string): string {
    const alias = this.#alias();
    const limit = Math.min(rows.limit ?? Infinity, viewOf(table, this.#role)?.limit ?? Infinity);
    const inner = this.#rows(
      table,
      { ...rows, limit: limit === Infinity ? null : limit },
      `${this.#object(table, fields, alias)} as j`,
      { alias, link },
    );
    return `(select coalesce(json_agg(j), '[]') from (${inner}) s)`;
  }

  /** All that lies behind the cursor: rows with the same `rank` may come in any order. */
  #stream(table: TableModel, { where, by, after, descending, fields }: StreamRoot): string {
    const alias = this.#alias();
    const cell = `${alias}.${this.#cell(table, by)}`;
    const { bare } = typeOf(columnNamed(table, by).type);
    const condition = where === null ? 'true' : this.#condition(table, where, alias);
    const ahead = `${cell} ${descending ? '<' : '>'} ${text(after.text)}::${bare}`;
    const rank = `dense_rank() over (order by ${cell}${descending ? ' desc' : ''})`;
    const row = `${rank} as rank, ${cell}::text as at, ${this.#object(table, fields, alias)}::text as row`;
    return `(select coalesce(json_agg(s order by rank), '[]') from (select ${row} from ${this.#view(table)} ${alias} where ${ahead} and (${condition})) s)`;
  }

  #aggregate(table: TableModel, rows: Rows, parts: readonly Part[], link: (alias: string) => string): string {
    const [inside, alias] = [this.#alias(), this.#alias()];
    const inner = this.#rows(table, rows, `${inside}.*`, { alias: inside, link });
    const limit = viewOf(table, this.#role)?.limit;
    const cut = limit === null || limit === undefined ? '' : ` filter (where ${alias}.n <= ${limit})`;
    const members = parts.map((part): [string, string] =>
      part.kind === 'nodes'
        ? [
            part.alias,
            `coalesce(json_agg(${this.#object(table, part.fields, alias)} order by ${alias}.n)${cut}, '[]')`,
          ]
        : [
            part.alias,
            object(part.values.map((value) => [value.alias, this.#computed(table, value, alias)])),
          ],
    );
    return `(select ${object(members)} from (select s.*, row_number() over () as n from (${inner}) s) ${alias} having true)`;
  }

  #computed(table: TableModel, value: Computed, alias: string): string {
    if (value.kind === 'typename') return text(typeNamed(this.#world, table, '_aggregate_fields'));
    const cells = value.columns.map((name) => `${alias}.${this.#cell(table, name)}`);
    if (value.kind === 'function') {
      return object(
        value.columns.map((name, i) => {
          const result = this.#shown(table, columnNamed(table, name), `${value.name}(${cells[i]})`);
          return [fieldNamed(this.#world, table, name), result];
        }),
      );
    }
    return counted(cells, value.distinct);
  }

  #rows(
    table: TableModel,
    rows: Rows,
    list: string,
    { alias, link }: { alias: string; link: (alias: string) => string },
  ): string {
    const where = rows.where === null ? 'true' : this.#condition(table, rows.where, alias);
    const order = isOwnOrder(table, rows)
      ? keyOf(table, alias)
      : orderingsOf(table, rows).map((one) => this.#ordering(table, one, alias));
    const distinct = rows.distinctOn.map((name) => `${alias}.${this.#cell(table, name)}`);
    return [
      `select ${distinct.length === 0 ? '' : `distinct on (${distinct.join(', ')}) `}${list}`,
      `from ${this.#view(table)} ${alias} where (${link(alias)}) and (${where})`,
      order.length === 0 ? '' : `order by ${order.join(', ')}`,
      rows.limit === null ? '' : `limit ${rows.limit}`,
      rows.offset === null ? '' : `offset ${rows.offset}`,
    ].join(' ');
  }

  #object(table: TableModel, fields: readonly Field[], alias: string): string {
    const shown = fields.filter(
      ({ directive }) => directive === null || directive.value === (directive.name === 'include'),
    );
    return object(shown.map((field) => [field.alias, this.#field(table, field, alias)]));
  }

  #field(table: TableModel, field: Field, alias: string): string {
    if (field.kind === 'typename') return text(typeNamed(this.#world, table));
    if (field.kind === 'column') {
      const cell = `${alias}.${this.#cell(table, field.column)}`;
      return field.path === null
        ? this.#shown(table, columnNamed(table, field.column), cell)
        : `${cell} #> ${text(`{${field.path.join(',')}}`)}`;
    }
    const to = this.#target(table, field.relationship);
    const isNone = field.kind !== 'aggregate' && !isWanted(to, field.called);
    const link = (right: string): string =>
      isNone ? 'false' : this.#link(table, field.relationship, alias, right);
    if (field.kind === 'array') return this.#list(to, field.rows, field.fields, link);
    if (field.kind === 'aggregate') return this.#aggregate(to, field.rows, field.parts, link);
    const next = this.#alias();
    return `(select ${this.#object(to, field.fields, next)} from ${this.#view(to)} ${next} where ${link(next)} order by ${keyOf(to, next).join(', ')} limit 1)`;
  }

  #ordering(table: TableModel, { path, by, direction }: Ordering, alias: string): string {
    const [way, nulls] = direction.split('_nulls_');
    return `${this.#orderValue(table, path, by, alias)} ${way}${nulls === undefined ? '' : ` nulls ${nulls}`}`;
  }

  #orderValue(
    table: TableModel,
    [step, ...rest]: readonly string[],
    by: Ordering['by'],
    alias: string,
  ): string {
    if (step === undefined) return by.kind === 'column' ? `${alias}.${this.#cell(table, by.column)}` : 'null';
    const to = this.#target(table, step);
    const next = this.#alias();
    const from = `from ${this.#view(to)} ${next} where ${this.#link(table, step, alias, next)}`;
    if (rest.length > 0 || by.kind === 'column') {
      return `(select ${this.#orderValue(to, rest, by, next)} ${from} order by ${keyOf(to, next).join(', ')} limit 1)`;
    }
    return `(select ${by.kind === 'count' ? 'count(*)' : `${by.name}(${next}.${this.#cell(to, by.column)})`} ${from})`;
  }

  #condition(table: TableModel, given: Condition, alias: string): string {
    const inner = (of: Condition): string => this.#condition(table, of, alias);
    switch (given.kind) {
      case 'true':
        return 'true';
      case 'compare':
        return comparison(
          `${alias}.${this.#cell(table, given.column)}`,
          columnNamed(table, given.column),
          given,
        );
      case 'null':
        return `(${alias}.${this.#cell(table, given.column)} is ${given.isNull ? '' : 'not '}null)`;
      case 'and':
        return `(${['true', ...given.of.map(inner)].join(' and ')})`;
      case 'or':
        return `(${['false', ...given.of.map(inner)].join(' or ')})`;
      case 'not':
        return `(not ${inner(given.of)})`;
      case 'related': {
        const to = this.#target(table, given.relationship);
        const next = this.#alias();
        return `exists (select from ${this.#view(to)} ${next} where ${this.#link(table, given.relationship, alias, next)} and ${this.#condition(to, given.of, next)})`;
      }
      case 'aggregate':
        return this.#aggregateCondition(table, given, alias);
      default:
        throw new Error(`a request has no ${given.kind}`);
    }
  }

  #aggregateCondition(
    table: TableModel,
    given: Extract<Condition, { kind: 'aggregate' }>,
    alias: string,
  ): string {
    const to = this.#target(table, given.relationship);
    const next = this.#alias();
    const cells = given.columns.map((name) => `${next}.${this.#cell(to, name)}`);
    const value = called(given, cells);
    const filter = given.filter === null ? 'true' : this.#condition(to, given.filter, next);
    return `((select ${value} from ${this.#view(to)} ${next} where ${this.#link(table, given.relationship, alias, next)} and ${filter}) ${spelled(given.operator)} ${given.value})`;
  }

  /** A column's value, or what an aggregate makes of it. */
  #shown(table: TableModel, column: ColumnModel, value: string): string {
    const { type } = column;
    if (isEnumIn(table, column) && this.#world.naming.convention === 'graphql-default')
      return `upper(${value})`;
    return this.#world.stringify && BIG_NUMBERS.has(typeOf(type).bare) ? `(${value})::text` : value;
  }

  #target(table: TableModel, relationship: string): TableModel {
    return tableNamed(this.#world, relationshipNamed(table, relationship).to);
  }

  #link(table: TableModel, relationship: string, left: string, right: string): string {
    const { on } = relationshipNamed(table, relationship);
    const to = this.#target(table, relationship);
    return on.map(([l, r]) => `${left}.${raw(table, l)} = ${right}.${raw(to, r)}`).join(' and ');
  }

  #view(table: TableModel): string {
    return `${SCHEMA_OF_ROLE}${this.#role}.v${this.#world.tables.indexOf(table)}`;
  }

  #cell(table: TableModel, name: string): string {
    return `c${indexOf(table, name)}`;
  }

  #alias(): string {
    this.#aliases += 1;
    return `a${this.#aliases}`;
  }
}

function keyOf(table: TableModel, alias: string): readonly string[] {
  return table.key.map((name) => `${alias}.${raw(table, name)}`);
}

function raw(table: TableModel, name: string): string {
  return `r${indexOf(table, name)}`;
}

function indexOf(table: TableModel, name: string): number {
  return table.columns.indexOf(columnNamed(table, name));
}

function object(members: readonly (readonly [string, string])[]): string {
  return `json_build_object(${members.map(([key, value]) => `${text(key)}, ${value}`).join(', ')})`;
}
