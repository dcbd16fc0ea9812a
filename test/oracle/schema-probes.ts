import {
  type GraphQLArgument,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';

/** A request that uses one member of a schema: a field, an argument, a member of an input object, an enum value. */
export interface Probe {
  readonly member: string;
  readonly text: string;
  readonly isListed: boolean;
}

/** The operation that has a selection in the place of what is asked about. */
type Around = (text: string) => string;

interface ObjectAt {
  readonly type: GraphQLObjectType;
  readonly around: Around;
}

/** An input type and where a literal of it may stand. */
interface InputAt {
  readonly type: GraphQLInputType;
  readonly around: Around;
}

/** One probe for each member of `own`, and for each that `whole` has besides in the same types. */
export function probesOf(own: GraphQLSchema, whole: GraphQLSchema): readonly Probe[] {
  const walk = new Walk(own, whole);
  walk.from(own.getQueryType(), (text) => `query ${text}`);
  walk.from(own.getSubscriptionType(), (text) => `subscription ${text}`);
  return walk.probes;
}

class Walk {
  readonly probes: Probe[] = [];
  readonly #own: GraphQLSchema;
  readonly #whole: GraphQLSchema;
  readonly #seen = new Set<string>();
  #objects: ObjectAt[] = [];

  constructor(own: GraphQLSchema, whole: GraphQLSchema) {
    this.#own = own;
    this.#whole = whole;
  }

  /** Breadth first, so that requests are shallow. */
  from(type: GraphQLObjectType | null | undefined, around: Around): void {
    if (type === null || type === undefined) return;
    this.#objects = [{ type, around }];
    for (const at of this.#objects) this.#object(at);
  }

  #object({ type, around }: ObjectAt): void {
    if (!this.#isNew(type.name)) return;
    const whole = this.#whole.getType(type.name);
    const all = { ...(isObjectType(whole) ? whole.getFields() : {}), ...type.getFields() };
    for (const [name, field] of Object.entries(all)) {
      const isListed = name in type.getFields();
      const to = getNamedType(field.type);
      const inside = isObjectType(to) ? '{ __typename }' : '';
      const ask = (args: string, selection: string): string => around(`{ ${name}${args} ${selection} }`);
      const required = field.args.filter(isRequiredArgument);
      this.#note(`${type.name}.${name}`, ask(inBrackets(required.map(given)), inside), isListed);
      if (!isListed) continue;
      if (isObjectType(to))
        this.#objects.push({ type: to, around: (text) => ask(inBrackets(required.map(given)), text) });
      for (const arg of field.args) {
        const others = required.filter((one) => one !== arg).map(given);
        const asked: Around = (text) => ask(inBrackets([...others, `${arg.name}: ${text}`]), inside);
        this.#input({ type: arg.type, around: asked });
      }
    }
  }

  #input({ type, around }: InputAt): void {
    const named = getNamedType(type);
    if (isInputObjectType(named)) return this.#inputObject(named, around);
    const whole = this.#whole.getType(named.name);
    if (!isEnumType(named) || !this.#isNew(named.name)) return;
    const own = new Set(named.getValues().map(({ name }) => name));
    const all = isEnumType(whole) ? whole.getValues().map(({ name }) => name) : [];
    for (const name of new Set([...own, ...all]))
      this.#note(`${named.name}.${name}`, around(name), own.has(name));
  }

  #inputObject(type: GraphQLInputObjectType, around: Around): void {
    if (!this.#isNew(type.name)) return;
    const whole = this.#whole.getType(type.name);
    const all = { ...(isInputObjectType(whole) ? whole.getFields() : {}), ...type.getFields() };
    const required = Object.values(type.getFields()).filter(isGiven);
    for (const [name, field] of Object.entries(all)) {
      const others = required.filter((one) => one.name !== name).map(given);
      const asked: Around = (text) => around(`{${[...others, `${name}: ${text}`].join(', ')}}`);
      this.#note(`${type.name}.${name}`, asked(sample(field.type)), name in type.getFields());
      if (name in type.getFields()) this.#input({ type: field.type, around: asked });
    }
  }

  #note(member: string, text: string, isListed: boolean): void {
    this.probes.push({ member, text, isListed });
  }

  #isNew(name: string): boolean {
    const isNew = !this.#seen.has(name) && this.#own.getType(name) !== undefined;
    this.#seen.add(name);
    return isNew;
  }
}

function inBrackets(args: readonly string[]): string {
  return args.length === 0 ? '' : `(${args.join(', ')})`;
}

function given({ name, type }: Pick<GraphQLArgument, 'name' | 'type'>): string {
  return `${name}: ${sample(type)}`;
}

/** A literal that every type of this scalar reads. */
const SAMPLES: Readonly<Record<string, string>> = {
  Int: '1',
  Float: '1.5',
  Boolean: 'true',
  String: '"$"',
  smallint: '1',
  bigint: '1',
  numeric: '1',
  float8: '1.5',
  oid: '"1"',
  lquery: '"*"',
  uuid: '"00000000-9c0b-4ef8-bb6d-6bb9bd380a10"',
  date: '"2000-01-01"',
  timestamp: '"2000-01-01"',
  timestamptz: '"2000-01-01"',
  time: '"11:09"',
  timetz: '"11:09+00"',
  interval: '"1 day"',
  bytea: '"\\\\x00"',
  inet: '"::1"',
  cidr: '"::/0"',
  macaddr: '"08:00:2b:01:02:03"',
  varbit: '"1"',
  int4range: '"empty"',
  int4multirange: '"{}"',
  span: '"empty"',
  mood: '"ok"',
  hstore: '""',
  pair: '"(1,x)"',
  point: '"(1,2)"',
};

/** Input types of which one member is given. */
const ONE_OF = /cursor_?value_?input$|aggregate_?bool_?exp$/i;

/** Some arguments of functions must be given though their types allow them to be null. */
function isGiven({ name, type }: Pick<GraphQLArgument, 'name' | 'type'>): boolean {
  return isNonNullType(type) || name === 'wanted';
}

function sample(type: GraphQLInputType): string {
  const nullable = getNullableType(type);
  if (isListType(nullable)) return `[${sample(nullable.ofType)}]`;
  if (isEnumType(nullable)) return nullable.getValues()[0]?.name ?? '';
  if (!isInputObjectType(nullable)) return SAMPLES[nullable.name] ?? '"a"';
  const members = Object.values(nullable.getFields());
  const required = ONE_OF.test(nullable.name) ? members.slice(0, 1) : members.filter(isGiven);
  return `{${required.map(given).join(', ')}}`;
}
