/** A value as Postgres reads it and as JSON gives it to GraphQL. */
export interface Value {
  readonly text: string;
  readonly json: unknown;
}

/** A column type with the values that tables hold and queries ask for. */
export interface ValueType {
  /** As in `create table`. */
  readonly sql: string;
  /** Without modifier, for casts. */
  readonly bare: string;
  /** The GraphQL scalar. */
  readonly scalar: string;
  readonly values: readonly Value[];
  /** Values of one family may be the two sides of a mapping. */
  readonly family: string | null;
  readonly operators: readonly string[];
  readonly aggregates: 'number' | 'float' | 'ordered' | 'none';
  /** Other databases may hold it as text and so sort it differently. */
  readonly own?: boolean;
  readonly list?: boolean;
  /** The base type, of a domain. */
  readonly domainOf?: string;
  /** A reference into an enum table of its database. */
  readonly isEnum?: boolean;
}

const COMPARISONS = ['_eq', '_neq', '_gt', '_lt', '_gte', '_lte', '_in', '_nin'];
const PATTERNS = [
  '_like',
  '_nlike',
  '_ilike',
  '_nilike',
  '_similar',
  '_nsimilar',
  '_regex',
  '_nregex',
  '_iregex',
  '_niregex',
];
const ARRAYS = [...COMPARISONS, '_contains', '_contained_in'];

const same = (...texts: readonly string[]): readonly Value[] => texts.map((text) => ({ text, json: text }));
const read = (...texts: readonly string[]): readonly Value[] =>
  texts.map((text) => ({ text, json: JSON.parse(text) }));
const pairs = (of: Readonly<Record<string, unknown>>): readonly Value[] =>
  Object.entries(of).map(([text, json]) => ({ text, json }));

const SMALL = read('0', '1', '2', '3', '4', '5', '-1', '7');
const WORDS = same('a', 'b', 'ab', 'B', 'Ä', '', "o'x", '"q"', 'new\nline', 'back\\slash', '%');

interface Spec extends Partial<ValueType> {
  readonly sql: string;
  readonly values: readonly Value[];
}

const define = (spec: Spec): ValueType => ({
  bare: spec.sql.replace(/\(.*\)/, ''),
  scalar: spec.sql,
  family: null,
  operators: COMPARISONS,
  aggregates: 'none',
  ...spec,
});

/** Every type that generated tables use. */
export const TYPES = {
  int: define({ sql: 'integer', scalar: 'Int', values: SMALL, family: 'integer', aggregates: 'number' }),
  small: define({ sql: 'smallint', values: SMALL, family: 'integer', aggregates: 'number' }),
  big: define({
    sql: 'bigint',
    values: [...SMALL, ...same('9223372036854775807', '4294967296')],
    family: 'integer',
    aggregates: 'number',
  }),
  numeric: define({
    sql: 'numeric',
    values: [...read('0', '1.10', '-3.5', '100'), ...same('NaN', '1.1', '12345678901234567890.5')],
    family: 'numeric',
    aggregates: 'number',
  }),
  money: define({
    sql: 'numeric(12,2)',
    scalar: 'numeric',
    values: read('0', '1.1', '-3.5', '99999999.99'),
    family: 'numeric',
    aggregates: 'number',
  }),
  double: define({
    sql: 'double precision',
    family: 'double',
    scalar: 'float8',
    values: [...read('0', '0.5', '-1.5', '2.25', '3'), ...same('NaN', 'Infinity', '-Infinity', '-0')],
    aggregates: 'float',
  }),
  real: define({
    sql: 'real',
    family: 'real',
    scalar: 'Float',
    values: [...read('0', '0.5', '-1.25'), ...same('NaN')],
    aggregates: 'float',
  }),
  text: define({
    sql: 'text',
    scalar: 'String',
    values: WORDS,
    family: 'text',
    operators: [...COMPARISONS, ...PATTERNS],
    aggregates: 'ordered',
  }),
  varchar: define({
    sql: 'varchar(40)',
    scalar: 'String',
    values: WORDS,
    family: 'text',
    operators: [...COMPARISONS, ...PATTERNS],
    aggregates: 'ordered',
  }),
  char: define({
    sql: 'char(4)',
    scalar: 'bpchar',
    bare: 'bpchar',
    values: same('a', 'b', 'ab', 'B', 'ab  ', 'Ä', ''),
    family: 'text',
    operators: [...COMPARISONS, ...PATTERNS],
    aggregates: 'ordered',
  }),
  citext: define({
    sql: 'citext',
    values: same('a', 'A', 'b', 'aB', 'Ab', ''),
    family: 'text',
    operators: [...COMPARISONS, ...PATTERNS],
    aggregates: 'ordered',
    own: true,
  }),
  ltree: define({
    sql: 'ltree',
    values: same('top', 'top.a', 'top.a.b', 'x', 'x.a'),
    family: 'ltree',
    operators: [...COMPARISONS, '_ancestor', '_ancestor_any', '_descendant', '_descendant_any', '_matches'],
    own: true,
  }),
  hue: define({
    sql: 'text',
    scalar: 'String',
    values: same('red', 'green', 'blue'),
    operators: ['_eq', '_neq', '_in', '_nin'],
    isEnum: true,
  }),
  uuid: define({
    sql: 'uuid',
    values: same(...['0', '1', 'a'].map((c) => `${c.repeat(8)}-9c0b-4ef8-bb6d-6bb9bd380a1${c}`)),
    family: 'uuid',
  }),
  bool: define({ sql: 'boolean', scalar: 'Boolean', values: read('true', 'false'), family: 'boolean' }),
  date: define({
    sql: 'date',
    values: same('2000-01-01', '1999-12-31', '2026-02-28', 'infinity', '0044-03-15 BC'),
    family: 'date',
    aggregates: 'ordered',
  }),
  timestamp: define({
    sql: 'timestamp',
    family: 'timestamp',
    values: same('2004-10-19 10:23:54.123456', '2004-10-19 10:23:54', '-infinity'),
    aggregates: 'ordered',
  }),
  timestamptz: define({
    sql: 'timestamptz',
    values: same(
      '2024-01-01T00:00:00Z',
      '2024-06-01 12:00:00.123456+02',
      '2024-06-01 10:00:00.123456+00',
      'infinity',
    ),
    family: 'timestamptz',
    aggregates: 'ordered',
  }),
  time: define({
    sql: 'time',
    family: 'time',
    values: same('11:09:23', '11:09:23.5', '00:00:00'),
    aggregates: 'ordered',
  }),
  timetz: define({
    sql: 'timetz',
    family: 'timetz',
    values: same('15:22:23+00', '15:22:23-07', '15:22:23.5+02'),
    aggregates: 'ordered',
  }),
  interval: define({
    sql: 'interval',
    family: 'interval',
    values: same('1 day', '24:00:00', '1 mon', '-3 days 04:05:06', '1 year 2 mons'),
    aggregates: 'ordered',
  }),
  bytea: define({ sql: 'bytea', family: 'bytea', values: same('\\x00ff', '\\x', '\\xdeadbeef') }),
  inet: define({
    sql: 'inet',
    family: 'inet',
    values: same('10.0.0.1/8', '10.0.0.1', '::1'),
    aggregates: 'ordered',
  }),
  range: define({ sql: 'int4range', family: 'range', values: same('[1,5)', 'empty', '(,3)') }),
  jsonb: define({
    sql: 'jsonb',
    family: 'jsonb',
    values: read(
      '{"a": 1, "b": [1, 2]}',
      '{"a": {"b": "x"}}',
      '[1, "a", null]',
      '"a"',
      '5',
      '5.0',
      '{}',
      '{"a": 1.50}',
    ),
    operators: [
      ...COMPARISONS,
      '_contains',
      '_contained_in',
      '_has_key',
      '_has_keys_any',
      '_has_keys_all',
      '_jsonb_path_exists',
      '_jsonb_path_match',
    ],
  }),
  json: define({ sql: 'json', values: read('{"b": 1,  "a": [null]}', '[]', '"x"'), operators: [] }),
  texts: define({
    sql: 'text[]',
    family: 'texts',
    scalar: 'String',
    values: pairs({ '{}': [], '{a}': ['a'], '{a,b}': ['a', 'b'], '{"a,b","q\\"x",""}': ['a,b', 'q"x', ''] }),
    operators: ARRAYS,
    list: true,
  }),
  ints: define({
    sql: 'integer[]',
    family: 'ints',
    scalar: 'Int',
    values: pairs({ '{}': [], '{1}': [1], '{1,2}': [1, 2], '{2,1,1}': [2, 1, 1] }),
    operators: ARRAYS,
    list: true,
  }),
  mood: define({
    sql: 'mood',
    values: same('sad', 'ok', 'happy'),
    family: 'mood',
    aggregates: 'ordered',
    own: true,
  }),
  moods: define({
    sql: 'mood[]',
    scalar: 'mood',
    values: pairs({ '{}': [], '{happy}': ['happy'], '{sad,ok}': ['sad', 'ok'] }),
    operators: [],
    list: true,
    own: true,
  }),
  varbit: define({ sql: 'varbit', family: 'varbit', values: same('101', '1', '', '1010') }),
  macaddr: define({
    sql: 'macaddr',
    family: 'macaddr',
    values: same('08:00:2b:01:02:03', '00:00:00:00:00:01'),
  }),
  cidr: define({ sql: 'cidr', values: same('10.0.0.0/8', '10.1.2.3/32', '::/0') }),
  oid: define({ sql: 'oid', values: same('0', '1', '4294967295') }),
  name: define({ sql: 'name', values: same('a', 'B', '') }),
  tsvector: define({ sql: 'tsvector', values: same("'a':1 'b':2", "'b':2A", '') }),
  multirange: define({ sql: 'int4multirange', values: same('{[1,3),[5,9)}', '{}', '{(,2)}') }),
  point: define({ sql: 'point', values: same('(1,2)', '(0.5,-1)'), operators: [] }),
  xml: define({ sql: 'xml', values: same('<a>b</a>', 'text'), operators: [] }),
  numerics: define({
    sql: 'numeric[]',
    scalar: 'numeric',
    values: pairs({ '{}': [], '{1.10}': [1.1], '{-2,3.5}': [-2, 3.5] }),
    operators: ARRAYS,
    list: true,
  }),
  documents: define({
    sql: 'jsonb[]',
    scalar: 'jsonb',
    values: pairs({ '{}': [], '{"{\\"a\\": 1.50}",null}': [] }),
    operators: [],
    list: true,
  }),
  pair: define({ sql: 'pair', values: same('(1,x)', '(,)', '(-2,"a, ""b""")'), operators: [], own: true }),
  pairs: define({
    sql: 'pair[]',
    scalar: 'pair',
    values: pairs({ '{}': [], '{"(1,x)",NULL,"(,)"}': [], '{"(-2,\\"a, b\\")"}': [] }),
    operators: [],
    list: true,
    own: true,
  }),
  span: define({
    sql: 'span',
    family: 'span',
    values: same('[0,1.5)', 'empty', '(,2]'),
    own: true,
  }),
  slugs: define({
    sql: 'slug[]',
    scalar: 'slug',
    values: pairs({ '{}': [], '{a}': ['a'], '{a,"b,c"}': ['a', 'b,c'] }),
    operators: [],
    list: true,
    own: true,
  }),
  store: define({
    sql: 'hstore',
    values: same('"a"=>"1"', '"a"=>NULL, "b"=>"x"', ''),
    operators: [],
    own: true,
  }),
  slug: define({
    sql: 'slug',
    domainOf: 'text',
    scalar: 'String',
    values: same('a', 'b', 'ab', 'B'),
    operators: COMPARISONS,
    own: true,
  }),
  positive: define({
    sql: 'positive',
    domainOf: 'integer',
    scalar: 'Int',
    values: read('1', '2', '5', '7'),
    family: 'integer',
    aggregates: 'number',
    own: true,
  }),
} as const;

export type TypeName = keyof typeof TYPES;

/** The type by its name. */
export function typeOf(name: TypeName): ValueType {
  return TYPES[name];
}

/** What databases need before tables of these types can be made; `mood` sorts against the alphabet. */
export const TYPE_DDL: readonly string[] = [
  'create extension citext',
  'create extension ltree',
  'create extension hstore',
  'create type pair as (one integer, two text)',
  `create domain slug as text check (value <> '')`,
  'create type span as range (subtype = double precision)',
  `create type mood as enum ('sad', 'ok', 'happy')`,
  'create domain positive as integer check (value > 0)',
];

export const PATTERN_VALUES: readonly Value[] = same(
  'a%',
  '%b',
  '_',
  '%',
  'A%',
  '%(a|b)%',
  '^a',
  'b$',
  '[ab]+',
  "o'_",
);
export const BAD_PATTERNS: readonly Value[] = same('(', '[a', 'a**', 'b\\', '(a', '*', 'a{2,1}', '\\');
export const JSON_PATHS: readonly Value[] = same(
  '$.a',
  '$.b[*] ? (@ > 1)',
  '$[0]',
  '$.a > 0',
  'exists($.a.b)',
  'strict $.x',
);
export const BAD_JSON_PATHS: readonly Value[] = same(
  '$.(',
  '$.a > $x',
  '$.a.datetime() < "2020-01-01".datetime()',
);
export const LTREE_QUERIES: readonly Value[] = same('top.*', '*.a', '*{1}', 'x|top', '*.a.*');
export const KEY_VALUES: readonly Value[] = same('a', 'b', 'x', '');

/** A text that types of Postgres' own refuse, but for those made of texts. */
export const UNREADABLE: Value = { text: 'no value', json: 'no value' };

const READS_ALL: readonly TypeName[] = [
  'text',
  'varchar',
  'char',
  'citext',
  'json',
  'jsonb',
  'texts',
  'mood',
  'name',
  'tsvector',
  'slug',
];

/** Whether the type, or what its arrays hold, is made of several. */
export function isComposite(type: TypeName): boolean {
  return type === 'pair' || type === 'pairs';
}

const WITHOUT_EQUALITY: readonly TypeName[] = ['json', 'point', 'xml'];

/** Whether values of the type can be told apart, and so counted once each. */
export function hasEquality(type: TypeName): boolean {
  return !WITHOUT_EQUALITY.includes(type);
}

/** Whether the type refuses that text. */
export function isUnreadable(type: TypeName): boolean {
  return !READS_ALL.includes(type) && typeOf(type).list !== true;
}
