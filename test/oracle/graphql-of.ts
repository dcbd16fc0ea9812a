import { takesList, takesText } from './generate-condition.ts';
import {
  type Computed,
  type Field,
  type Ordering,
  orderingsOf,
  type Part,
  type Query,
  type Root,
  type Rows,
} from './generate-query.ts';
import { typeOf, type Value } from './value-types.ts';
import {
  type Condition,
  columnNamed,
  enumTypeOf,
  fieldNamed,
  isEnumIn,
  relationshipNamed,
  rootNamed,
  spellingOf,
  type TableModel,
  tableNamed,
  typeNamed,
  type World,
} from './world.ts';

/** A query as it is sent. */
export interface Request {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** The query as a GraphQL document with its variables; `inOne` for the database that holds everything. */
export function toRequest(world: World, query: Query, inOne = false): Request {
  const printing = new Printing(world);
  const roots = query.roots.map((root) => {
    const text = rootText(world, root, printing);
    const source = inOne ? 'all' : tableNamed(world, root.table).database;
    return world.naming.namespaced ? `n_${root.alias}: ns_${source} { ${text} }` : text;
  });
  return printing.request(roots);
}

function rootText(world: World, root: Root, printing: Printing): string {
  const table = tableNamed(world, root.table);
  switch (root.kind) {
    case 'list':
      return `${root.alias}: ${rootNamed(world, table)}${printing.rows(table, root.rows)} ${printing.fields(table, root.fields)}`;
    case 'aggregate':
      return `${root.alias}: ${rootNamed(world, table, '_aggregate')}${printing.rows(table, root.rows)} ${printing.parts(table, root.parts)}`;
    case 'one': {
      const key = table.columns.filter(({ name }) => table.key.includes(name));
      const values = table.key.map((name, i) => [name, root.key[i]] as const);
      const given = key.map(
        (column) =>
          `${fieldNamed(world, table, column.name)}: ${literal(values.find(([name]) => name === column.name)?.[1]?.json)}`,
      );
      return `${root.alias}: ${rootNamed(world, table, '_by_pk')}(${given.join(', ')}) ${printing.fields(table, root.fields)}`;
    }
  }
}

class Printing {
  readonly #world: World;
  readonly #declared: string[] = [];
  readonly #values: Record<string, unknown> = {};
  readonly #fragments: string[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  request(roots: readonly string[]): Request {
    const head = this.#declared.length === 0 ? '' : `query q(${this.#declared.join(', ')}) `;
    return {
      query: [`${head}{ ${roots.join(' ')} }`, ...this.#fragments].join('\n'),
      variables: JSON.parse(JSON.stringify(this.#values)),
    };
  }

  rows(table: TableModel, rows: Rows): string {
    const { where, distinctOn, limit, offset, variable } = rows;
    const orderBy = orderingsOf(table, rows);
    const named = (name: string): string => fieldNamed(this.#world, table, name);
    const { field } = spellingOf(this.#world);
    const parts: string[] = [];
    if (where !== null) {
      parts.push(
        `where: ${variable ? this.#variable(typeNamed(this.#world, table, '_bool_exp'), this.#json(table, where)) : this.#condition(table, where)}`,
      );
    }
    if (orderBy.length > 0)
      parts.push(`${field('order_by')}: [${orderBy.map((one) => this.#ordering(table, one)).join(', ')}]`);
    if (distinctOn.length > 0) parts.push(`${field('distinct_on')}: [${distinctOn.map(named).join(', ')}]`);
    if (limit !== null) parts.push(`limit: ${variable ? this.#variable('Int', limit) : limit}`);
    if (offset !== null) parts.push(`offset: ${variable ? this.#variable('Int', offset) : offset}`);
    return parts.length === 0 ? '' : `(${parts.join(', ')})`;
  }

  fields(table: TableModel, fields: readonly Field[]): string {
    return `{ ${fields.map((field) => this.#field(table, field)).join(' ')} }`;
  }

  parts(table: TableModel, parts: readonly Part[]): string {
    const printed = parts.map((part) =>
      part.kind === 'nodes'
        ? `${part.alias}: nodes ${this.fields(table, part.fields)}`
        : `${part.alias}: aggregate { ${part.values.map((value) => computedText(this.#world, table, value)).join(' ')} }`,
    );
    return `{ ${printed.join(' ')} }`;
  }

  #field(table: TableModel, field: Field): string {
    const { directive, fragment } = field;
    const flag =
      directive === null
        ? ''
        : directive.variable
          ? this.#variable('Boolean!', directive.value)
          : String(directive.value);
    const tail = directive === null ? '' : ` @${directive.name}(if: ${flag})`;
    const text = this.#plainField(table, field, fragment === null ? tail : '');
    if (fragment === null) return text;
    if (fragment === 'inline') return `... on ${typeNamed(this.#world, table)}${tail} { ${text} }`;
    const name = `F${this.#fragments.length}`;
    this.#fragments.push(`fragment ${name} on ${typeNamed(this.#world, table)} { ${text} }`);
    return `...${name}${tail}`;
  }

  #plainField(table: TableModel, field: Field, tail: string): string {
    if (field.kind === 'typename') return `${field.alias}: __typename${tail}`;
    if (field.kind === 'column') {
      const path =
        field.path === null
          ? ''
          : `(path: ${JSON.stringify(`$.${field.path.map((step) => (/^\d+$/.test(step) ? `[${step}]` : step)).join('.')}`)})`;
      return `${field.alias}: ${fieldNamed(this.#world, table, field.column)}${path}${tail}`;
    }
    const to = tableNamed(this.#world, relationshipNamed(table, field.relationship).to);
    const head = `${field.alias}: ${field.relationship}`;
    if (field.kind === 'object') return `${head}${tail} ${this.fields(to, field.fields)}`;
    if (field.kind === 'array')
      return `${head}${this.rows(to, field.rows)}${tail} ${this.fields(to, field.fields)}`;
    return `${field.alias}: ${this.#aggregateOf(field.relationship)}${this.rows(to, field.rows)}${tail} ${this.parts(to, field.parts)}`;
  }

  #ordering(table: TableModel, { path, by, direction }: Ordering): string {
    let at = table;
    const open = path.map((step) => {
      const relationship = relationshipNamed(at, step);
      at = tableNamed(this.#world, relationship.to);
      return `{${relationship.kind === 'array' ? this.#aggregateOf(step) : step}: `;
    });
    const column = by.kind === 'count' ? '' : fieldNamed(this.#world, at, by.column);
    const { field, enumValue } = spellingOf(this.#world);
    const way = enumValue(direction);
    const last =
      by.kind === 'count'
        ? `{count: ${way}}`
        : by.kind === 'column'
          ? `{${column}: ${way}}`
          : `{${field(by.name)}: {${column}: ${way}}}`;
    return `${open.join('')}${last}${'}'.repeat(open.length)}`;
  }

  #variable(type: string, value: unknown): string {
    const name = `v${this.#declared.length}`;
    this.#declared.push(`$${name}: ${type}`);
    this.#values[name] = value;
    return `$${name}`;
  }

  #condition(table: TableModel, given: Condition): string {
    if (given.kind === 'compare' && given.variable && !given.cast) {
      const name = fieldNamed(this.#world, table, given.column);
      const operator = spellingOf(this.#world).field(given.operator);
      const value = this.#operand(table, given);
      return `{${name}: {${operator}: ${this.#variable(operandScalar(this.#world, table, given), value)}}}`;
    }
    switch (given.kind) {
      case 'and':
      case 'or':
        return `{_${given.kind}: [${given.of.map((one) => this.#condition(table, one)).join(', ')}]}`;
      case 'not':
        return `{_not: ${this.#condition(table, given.of)}}`;
      case 'related': {
        const to = tableNamed(this.#world, relationshipNamed(table, given.relationship).to);
        return `{${given.relationship}: ${this.#condition(to, given.of)}}`;
      }
      default:
        return literal(this.#json(table, given));
    }
  }

  /** The condition as a value; enums among it print as their names. */
  #json(table: TableModel, given: Condition): unknown {
    switch (given.kind) {
      case 'true':
        return {};
      case 'compare': {
        const operator = spellingOf(this.#world).field(given.operator);
        const compared = { [operator]: this.#operand(table, given) };
        const name = fieldNamed(this.#world, table, given.column);
        return { [name]: given.cast ? { _cast: { String: compared } } : compared };
      }
      case 'null':
        return {
          [fieldNamed(this.#world, table, given.column)]: {
            [spellingOf(this.#world).field('_is_null')]: given.isNull,
          },
        };
      case 'and':
      case 'or':
        return { [`_${given.kind}`]: given.of.map((one) => this.#json(table, one)) };
      case 'not':
        return { _not: this.#json(table, given.of) };
      case 'related': {
        const to = tableNamed(this.#world, relationshipNamed(table, given.relationship).to);
        return { [given.relationship]: this.#json(to, given.of) };
      }
      case 'aggregate':
        return this.#aggregate(table, given);
      default:
        throw new Error(`a request has no ${given.kind}`);
    }
  }

  #aggregateOf(relationship: string): string {
    return spellingOf(this.#world).field(`${relationship}_aggregate`);
  }

  #operand(table: TableModel, given: Extract<Condition, { kind: 'compare' }>): unknown {
    if (!isEnumIn(table, columnNamed(table, given.column))) return operandJson(given.value);
    const named = ({ text }: Value): Name => new Name(spellingOf(this.#world).enumValue(text));
    return isList(given.value) ? given.value.map(named) : named(given.value);
  }

  #aggregate(table: TableModel, given: Extract<Condition, { kind: 'aggregate' }>): unknown {
    const to = tableNamed(this.#world, relationshipNamed(table, given.relationship).to);
    const names = given.columns.map((name) => new Name(fieldNamed(this.#world, to, name)));
    const isCount = given.function === 'count';
    return {
      [this.#aggregateOf(given.relationship)]: {
        [given.function]: {
          ...(isCount ? (names.length > 0 ? { arguments: names } : {}) : { arguments: names[0] }),
          ...(isCount && given.distinct ? { distinct: true } : {}),
          ...(given.filter === null ? {} : { filter: this.#json(to, given.filter) }),
          predicate: { [spellingOf(this.#world).field(given.operator)]: given.value },
        },
      },
    };
  }
}

/** A value of an enum: bare in a document, a string in variables. */
class Name {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): string {
    return this.text;
  }
}

function literal(value: unknown): string {
  if (value instanceof Name) return value.text;
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${name}: ${literal(member)}`);
  return `{${members.join(', ')}}`;
}

function operandJson(value: Value | readonly Value[]): unknown {
  return isList(value) ? value.map(({ json }) => json) : value.json;
}

function operandScalar(
  world: World,
  table: TableModel,
  { column: name, operator }: { column: string; operator: string },
): string {
  const column = columnNamed(table, name);
  const { scalar, list } = typeOf(column.type);
  const own = isEnumIn(table, column)
    ? enumTypeOf(world, table.database)
    : operator === '_matches'
      ? 'lquery'
      : scalar;
  const one = takesText(operator) ? 'String' : list === true ? `[${own}!]` : own;
  return takesList(operator) ? `[${one}!]` : one;
}

/** Whether an operand is several values. */
export function isList(value: Value | readonly Value[]): value is readonly Value[] {
  return Array.isArray(value);
}

function computedText(world: World, table: TableModel, value: Computed): string {
  if (value.kind === 'typename') return `${value.alias}: __typename`;
  const names = value.columns.map((name) => fieldNamed(world, table, name));
  if (value.kind === 'function')
    return `${value.alias}: ${spellingOf(world).field(value.name)} { ${names.join(' ')} }`;
  const given = [
    ...(names.length > 0 ? [`columns: [${names.join(', ')}]`] : []),
    ...(value.distinct ? ['distinct: true'] : []),
  ];
  return `${value.alias}: count${given.length === 0 ? '' : `(${given.join(', ')})`}`;
}
