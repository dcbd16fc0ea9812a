import { aggregateArguments } from './generate-condition.ts';
import {
  type Call,
  type Computed,
  type Field,
  type Ordering,
  orderingsOf,
  type Part,
  type Query,
  type Root,
  type Rows,
  type Sending,
  type StreamRoot,
} from './generate-query.ts';
import { Random } from './random.ts';
import { typeOf, type Value } from './value-types.ts';
import {
  argsTypeNamed,
  type Condition,
  calledNamed,
  columnNamed,
  enumTypeOf,
  fieldNamed,
  isEnumIn,
  relationshipNamed,
  rootNamed,
  spellingOf,
  type TableModel,
  tableNamed,
  twinListOf,
  twinOf,
  typeNamed,
  type World,
} from './world.ts';

/** A query as it is sent. */
export interface Request {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** How a query is written down. */
export interface Writing {
  /** For the database that holds everything. */
  readonly inOne?: boolean;
  readonly operation?: 'query' | 'subscription';
  /** Of the operation; several of one document have different ones. */
  readonly name?: string;
}

/** The query as a GraphQL document with its variables. */
export function toRequest(world: World, query: Query, writing: Writing = {}): Request {
  const { inOne = false } = writing;
  const printing = new Printing(world, query.sending, writing);
  const roots = query.roots.map((root) => {
    const text = printing.root(root);
    const source = inOne ? 'all' : tableNamed(world, root.table).database;
    return world.naming.namespaced ? `n_${root.alias}: ns_${source} { ${text} }` : text;
  });
  return printing.request(roots);
}

/** What stands inside a variable holds no other. */
type Within = 'document' | 'variable';

class Printing {
  readonly #world: World;
  readonly #sending: Sending;
  readonly #coins: Random;
  readonly #declared: string[] = [];
  readonly #values: Record<string, unknown> = {};
  readonly #fragments: string[] = [];
  readonly #writing: Writing;

  constructor(world: World, sending: Sending, writing: Writing) {
    this.#world = world;
    this.#sending = sending;
    this.#writing = writing;
    this.#coins = new Random(sending.seed);
  }

  request(roots: readonly string[]): Request {
    const { operation = 'query', name = 'q' } = this.#writing;
    const variables = this.#declared.length === 0 ? '' : `(${this.#declared.join(', ')})`;
    const isBare = variables === '' && this.#writing.operation === undefined;
    return {
      query: [
        `${isBare ? '' : `${operation} ${name}${variables} `}{ ${roots.join(' ')} }`,
        ...this.#fragments,
      ].join('\n'),
      variables: JSON.parse(JSON.stringify(this.#values)),
    };
  }

  root(root: Root): string {
    const table = tableNamed(this.#world, root.table);
    if (root.kind === 'list')
      return this.#selected(this.#called(root, table), root.fields, (fields) => this.#fields(table, fields));
    if (root.kind === 'aggregate')
      return this.#selected(this.#called(root, table), root.parts, (parts) => this.#parts(table, parts));
    if (root.kind === 'stream')
      return this.#selected(this.#stream(root, table), root.fields, (fields) => this.#fields(table, fields));
    const given = table.key.map((name, i) => {
      const type = operandScalar(this.#world, table, { column: name, operator: '_eq' });
      const value = this.#send(`${type}!`, root.key[i]?.json, 'document');
      return `${fieldNamed(this.#world, table, name)}: ${literal(value)}`;
    });
    return this.#selected(
      `${root.alias}: ${rootNamed(this.#world, table, '_by_pk')}(${given.join(', ')})`,
      root.fields,
      (fields) => this.#fields(table, fields),
    );
  }

  /** The head of a list or an aggregate, of a table or of a function or native query that answers its rows. */
  #called({ alias, kind, called, rows }: Extract<Root, { readonly rows: Rows }>, table: TableModel): string {
    const ending = kind === 'list' ? '' : '_aggregate';
    const name = called === null ? rootNamed : calledNamed;
    const args = this.#args(called, table);
    return `${alias}: ${name(this.#world, table, ending)}${this.#rows(table, rows, args)}`;
  }

  #args(called: Call, table: TableModel): readonly (readonly ['args', unknown])[] {
    if (called === null) return [];
    if (this.#isSent(0.4))
      return [['args', this.#variable(`${argsTypeNamed(this.#world, table)}!`, { wanted: called.wanted })]];
    return [['args', { wanted: this.#send('Boolean', called.wanted, 'document') }]];
  }

  #stream({ alias, where, by, after, descending, size }: StreamRoot, table: TableModel): string {
    const { field } = spellingOf(this.#world);
    const typed = (ending: string): string => typeNamed(this.#world, table, ending);
    const scalar = operandScalar(this.#world, table, { column: by, operator: '_gt' });
    const isEnum = isEnumIn(table, columnNamed(table, by));
    const json = isEnum ? new Name(spellingOf(this.#world).enumValue(after.text)) : after.json;
    const cursor = (within: Within): object => ({
      [field('initial_value')]: {
        [fieldNamed(this.#world, table, by)]: this.#send(scalar, json, within),
      },
      ...(descending ? { ordering: new Name('DESC') } : {}),
    });
    const isWhole = this.#isSent(0.4);
    const given = {
      [field('batch_size')]: this.#send('Int!', size, 'document'),
      cursor: isWhole
        ? this.#variable(`[${typed('_stream_cursor_input')}]!`, [cursor('variable')])
        : cursor('document'),
      ...(where === null ? {} : { where: this.#nested(table, where, 'document', 0.4) }),
    };
    const parts = Object.entries(given).map(([name, value]) => `${name}: ${literal(value)}`);
    return `${alias}: ${rootNamed(this.#world, table, '_stream')}(${parts.join(', ')})`;
  }

  /** A field with its selection, now and then in two pieces that the server has to put together. */
  #selected<T>(head: string, members: readonly T[], print: (members: readonly T[]) => string): string {
    if (members.length < 2 || !this.#coins.chance(0.08)) return `${head} ${print(members)}`;
    const half = Math.ceil(members.length / 2);
    return `${head} ${print(members.slice(0, half))} ${head} ${print(members.slice(half))}`;
  }

  #rows(table: TableModel, rows: Rows, more: readonly (readonly [string, unknown])[] = []): string {
    const { where, distinctOn, limit, offset } = rows;
    const typed = (ending: string): string => typeNamed(this.#world, table, ending);
    const { field } = spellingOf(this.#world);
    const orderBy = orderingsOf(table, rows);
    const names = distinctOn.map((name) => new Name(fieldNamed(this.#world, table, name)));
    const given: readonly (readonly [string, unknown])[] = [
      ...more,
      [
        'where',
        where === null ? this.#unset(typed('_bool_exp')) : this.#nested(table, where, 'document', 0.4),
      ],
      [field('order_by'), this.#orderings(table, orderBy, new Set(distinctOn))],
      [
        field('distinct_on'),
        names.length === 0 ? undefined : this.#sendList(typed('_select_column'), names, 'document'),
      ],
      ['limit', limit === null ? this.#unset('Int') : this.#send('Int', limit, 'document')],
      ['offset', offset === null ? this.#unset('Int') : this.#send('Int', offset, 'document')],
    ];
    return inBrackets(given);
  }

  #fields(table: TableModel, fields: readonly Field[]): string {
    return `{ ${fields.map((field) => this.#field(table, field)).join(' ')} }`;
  }

  #parts(table: TableModel, parts: readonly Part[]): string {
    const printed = parts.map((part) =>
      part.kind === 'nodes'
        ? `${part.alias}: nodes ${this.#fields(table, part.fields)}`
        : `${part.alias}: aggregate { ${part.values.map((value) => this.#computed(table, value)).join(' ')} }`,
    );
    return `{ ${printed.join(' ')} }`;
  }

  #computed(table: TableModel, value: Computed): string {
    if (value.kind === 'typename') return `${value.alias}: __typename`;
    if (value.kind === 'function') {
      const members = value.columns.map(
        (name) => `${fieldNamed(this.#world, table, name)}: ${this.#column(table, name)}`,
      );
      return `${value.alias}: ${spellingOf(this.#world).field(value.name)} { ${members.join(' ')} }`;
    }
    const names = value.columns.map((name) => new Name(fieldNamed(this.#world, table, name)));
    const columns = this.#sendList(typeNamed(this.#world, table, '_select_column'), names, 'document');
    const distinct = this.#send('Boolean', value.distinct, 'document');
    return `${value.alias}: count(columns: ${literal(columns)}, distinct: ${literal(distinct)})`;
  }

  #field(table: TableModel, field: Field): string {
    const { directive, fragment } = field;
    const flag = directive === null ? '' : literal(this.#send('Boolean!', directive.value, 'document'));
    const tail = directive === null ? '' : ` @${directive.name}(if: ${flag})`;
    const text = this.#plainField(table, field, fragment === null ? tail : '');
    if (fragment === null) return text;
    if (fragment === 'inline') return `... on ${typeNamed(this.#world, table)}${tail} { ${text} }`;
    const name = `F${this.#fragments.length}${this.#writing.name ?? ''}`;
    this.#fragments.push(`fragment ${name} on ${typeNamed(this.#world, table)} { ${text} }`);
    return `...${name}${tail}`;
  }

  #plainField(table: TableModel, field: Field, tail: string): string {
    if (field.kind === 'typename') return `${field.alias}: __typename${tail}`;
    if (field.kind === 'column') {
      const path =
        field.path === null
          ? ''
          : `(path: ${literal(this.#send('String', pathText(field.path), 'document'))})`;
      return `${field.alias}: ${this.#column(table, field.column)}${path}${tail}`;
    }
    const to = tableNamed(this.#world, relationshipNamed(table, field.relationship).to);
    const head = `${field.alias}: ${field.kind === 'array' ? this.#rowsOf(table, field.relationship) : field.relationship}`;
    if (field.kind !== 'aggregate') {
      const args = this.#args(field.called, to);
      const given = field.kind === 'array' ? this.#rows(to, field.rows, args) : inBrackets(args);
      return this.#selected(`${head}${given}${tail}`, field.fields, (some) => this.#fields(to, some));
    }
    const aggregate = `${field.alias}: ${this.#aggregateOf(field.relationship)}`;
    return this.#selected(`${aggregate}${this.#rows(to, field.rows)}${tail}`, field.parts, (some) =>
      this.#parts(to, some),
    );
  }

  /** The whole list as a variable, elements of it, or directions; one element may stand alone. */
  #orderings(table: TableModel, orderings: readonly Ordering[], distinct: ReadonlySet<string>): unknown {
    const type = typeNamed(this.#world, table, '_order_by');
    if (orderings.length === 0) return this.#unset(`[${type}!]`);
    const print = (within: Within): unknown => {
      const all = orderings.map((one) =>
        within === 'document' && this.#isSent(0.2)
          ? this.#variable(`${type}!`, this.#ordering(table, one, { within: 'variable', distinct }))
          : this.#ordering(table, one, { within, distinct }),
      );
      const isAlone = all.length === 1 && !(all[0] instanceof Mention) && this.#coins.chance(0.3);
      return isAlone ? all[0] : all;
    };
    return this.#isSent(0.4) ? this.#variable(`[${type}!]`, print('variable')) : print('document');
  }

  /** What rows are told apart by must be what they are ordered by. */
  #ordering(
    table: TableModel,
    { path, by, direction }: Ordering,
    { within, distinct }: { readonly within: Within; readonly distinct: ReadonlySet<string> },
  ): unknown {
    const { field, enumValue, type } = spellingOf(this.#world);
    let at = table;
    const steps = path.map((step) => {
      const relationship = relationshipNamed(at, step);
      at = tableNamed(this.#world, relationship.to);
      return relationship.kind === 'array' ? this.#aggregateOf(step) : step;
    });
    const column =
      by.kind === 'count'
        ? ''
        : by.kind === 'column' && !distinct.has(by.column)
          ? this.#column(at, by.column)
          : fieldNamed(this.#world, at, by.column);
    const last = by.kind === 'count' ? ['count'] : by.kind === 'column' ? [column] : [field(by.name), column];
    const way = this.#send(type('order_by'), new Name(enumValue(direction)), within);
    return [...steps, ...last].reduceRight<unknown>((inner, name) => ({ [name]: inner }), way);
  }

  /** A column, or the computed field that is its value. */
  #column(table: TableModel, name: string): string {
    const twin = twinOf(table, name);
    const isTwin = twin !== null && this.#coins.chance(this.#sending.twins);
    return isTwin ? twin : fieldNamed(this.#world, table, name);
  }

  /** A relationship, or the computed field that answers its rows. */
  #rowsOf(table: TableModel, name: string): string {
    const twin = twinListOf(this.#world, table, name);
    return twin !== null && this.#coins.chance(this.#sending.twins) ? twin : name;
  }

  #isSent(weight = 1): boolean {
    return this.#coins.chance(this.#sending.share * weight);
  }

  /** The value, or a variable in its place. */
  #send(type: string, value: unknown, within: Within): unknown {
    return within === 'document' && this.#isSent() ? this.#variable(type, value) : value;
  }

  /** A list, a variable in its place, or variables among its elements. */
  #sendList(element: string, values: readonly unknown[], within: Within): unknown {
    if (within === 'document' && this.#isSent()) return this.#variable(`[${element}!]`, values);
    return values.map((value) => this.#send(`${element}!`, value, within));
  }

  /** Nothing, or a variable that says nothing. */
  #unset(type: string): Mention | undefined {
    if (!this.#isSent(0.15)) return undefined;
    const name = this.#declare(type, '');
    if (this.#coins.chance(0.5)) this.#values[name] = null;
    return new Mention(name);
  }

  #variable(type: string, value: unknown): Mention {
    const isDefault = this.#sending.defaults && this.#coins.chance(0.5);
    const name = this.#declare(type, isDefault ? ` = ${literal(value)}` : '');
    if (!isDefault) this.#values[name] = value;
    return new Mention(name);
  }

  #declare(type: string, rest: string): string {
    const name = `v${this.#declared.length}`;
    this.#declared.push(`$${name}: ${type}${rest}`);
    return name;
  }

  /** A condition, or a variable in its place. */
  #nested(table: TableModel, given: Condition, within: Within, weight = 0.2): unknown {
    if (within === 'document' && this.#isSent(weight))
      return this.#variable(
        typeNamed(this.#world, table, '_bool_exp'),
        this.#condition(table, given, 'variable'),
      );
    return this.#condition(table, given, within);
  }

  #condition(table: TableModel, given: Condition, within: Within): unknown {
    const { field } = spellingOf(this.#world);
    switch (given.kind) {
      case 'true':
        return {};
      case 'compare': {
        const compared = { [field(given.operator)]: this.#operand(table, given, within) };
        const name = this.#column(table, given.column);
        return { [name]: given.cast ? { _cast: { String: compared } } : compared };
      }
      case 'null': {
        const isNull = this.#send('Boolean', given.isNull, within);
        return { [this.#column(table, given.column)]: { [field('_is_null')]: isNull } };
      }
      case 'and':
      case 'or':
        return { [`_${given.kind}`]: this.#list(table, given.of, within) };
      case 'not':
        return { _not: this.#nested(table, given.of, within) };
      case 'related': {
        const to = tableNamed(this.#world, relationshipNamed(table, given.relationship).to);
        return { [this.#rowsOf(table, given.relationship)]: this.#nested(to, given.of, within) };
      }
      case 'aggregate':
        return this.#aggregate(table, given, within);
      default:
        throw new Error(`a request has no ${given.kind}`);
    }
  }

  #list(table: TableModel, of: readonly Condition[], within: Within): unknown {
    const all = (inside: Within): unknown => {
      const printed = of.map((one) => this.#condition(table, one, inside));
      return printed.length === 1 && this.#coins.chance(0.3) ? printed[0] : printed;
    };
    if (within === 'document' && this.#isSent(0.2))
      return this.#variable(`[${typeNamed(this.#world, table, '_bool_exp')}!]`, all('variable'));
    return all(within);
  }

  #aggregateOf(relationship: string): string {
    return spellingOf(this.#world).field(`${relationship}_aggregate`);
  }

  #operand(table: TableModel, given: Extract<Condition, { kind: 'compare' }>, within: Within): unknown {
    const isEnum = isEnumIn(table, columnNamed(table, given.column)) && !given.cast;
    const { enumValue } = spellingOf(this.#world);
    const json = (value: Value): unknown => (isEnum ? new Name(enumValue(value.text)) : value.json);
    const type = given.cast ? 'String' : operandScalar(this.#world, table, given);
    return isList(given.value)
      ? this.#sendList(type, given.value.map(json), within)
      : this.#send(type, json(given.value), within);
  }

  #aggregate(table: TableModel, given: Extract<Condition, { kind: 'aggregate' }>, within: Within): unknown {
    const to = tableNamed(this.#world, relationshipNamed(table, given.relationship).to);
    const names = given.columns.map((name) => new Name(fieldNamed(this.#world, to, name)));
    const isCount = given.function === 'count';
    const columns = typeNamed(this.#world, to, '_select_column');
    const type = isCount ? 'Int' : typeof given.value === 'boolean' ? 'Boolean' : 'float8';
    const compared = this.#send(type, given.value, within);
    return {
      [this.#aggregateOf(given.relationship)]: {
        [given.function]: {
          ...(isCount
            ? { arguments: this.#sendList(columns, names, within) }
            : { arguments: aggregateArguments(given.function, names) }),
          ...(isCount ? { distinct: this.#send('Boolean', given.distinct, within) } : {}),
          ...(given.filter === null ? {} : { filter: this.#nested(to, given.filter, within) }),
          predicate: { [spellingOf(this.#world).field(given.operator)]: compared },
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

/** A variable. */
class Mention {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

function literal(value: unknown): string {
  if (value instanceof Name) return value.text;
  if (value instanceof Mention) return `$${value.name}`;
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${name}: ${literal(member)}`);
  return `{${members.join(', ')}}`;
}

/** Arguments that are given. */
function inBrackets(given: readonly (readonly [name: string, value: unknown])[]): string {
  const parts = given.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${literal(value)}`]));
  return parts.length === 0 ? '' : `(${parts.join(', ')})`;
}

function pathText(path: readonly string[]): string {
  return `$.${path.map((step) => (/^\d+$/.test(step) ? `[${step}]` : step)).join('.')}`;
}

/** The type that an operand, or an element of it where it is several, is declared as. */
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
  if (/has_key|jsonb_path/.test(operator)) return 'String';
  return list === true ? `[${own}!]` : own;
}

/** Whether an operand is several values. */
export function isList(value: Value | readonly Value[]): value is readonly Value[] {
  return Array.isArray(value);
}
