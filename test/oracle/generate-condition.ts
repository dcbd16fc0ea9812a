import type { Random } from './random.ts';
import {
  BAD_JSON_PATHS,
  BAD_PATTERNS,
  hasEquality,
  isUnreadable,
  JSON_PATHS,
  KEY_VALUES,
  LTREE_QUERIES,
  PATTERN_VALUES,
  typeOf,
  UNREADABLE,
  type Value,
} from './value-types.ts';
import {
  type ColumnModel,
  type Condition,
  comparedRelationships,
  type TableModel,
  viewOf,
  type World,
} from './world.ts';

/** For whom a condition is made: a rule may say more than a request, and sees everything. */
export interface Scene {
  readonly random: Random;
  readonly world: World;
  readonly role: string;
  readonly isRule: boolean;
  /** Some operands are malformed. */
  readonly hostile?: boolean;
  /** The table a rule belongs to. */
  readonly root?: TableModel;
}

/** A condition on a table's rows, relationships at most `depth` deep. */
export function condition(scene: Scene, table: TableModel, depth: number): Condition {
  const here = scene.root === undefined ? { ...scene, root: table } : scene;
  const columns = viewOf(table, scene.role)?.columns ?? [];
  const onOne = (): Condition => onColumn(here, here.random.pick(columns));
  const makers: (() => Condition)[] = columns.length === 0 ? [] : [onOne, onOne, onOne];
  if (depth > 0) makers.push(...composed(here, table, depth), ...overRelationships(here, table, depth));
  if (here.isRule) makers.push(() => columnPair(here, table));
  return makers.length === 0 ? { kind: 'true' } : here.random.oneOf(makers);
}

function composed(scene: Scene, table: TableModel, depth: number): readonly (() => Condition)[] {
  const { random, isRule } = scene;
  const inner = (): Condition => condition(scene, table, depth - 1);
  const list = (): readonly Condition[] => Array.from({ length: random.int(0, 3) }, inner);
  return [
    () => ({ kind: random.pick(['and', 'or']), of: list() }),
    () => ({ kind: 'not', of: inner() }),
    ...(isRule ? [() => existsIn(scene, table, depth - 1)] : []),
  ];
}

function overRelationships(scene: Scene, table: TableModel, depth: number): readonly (() => Condition)[] {
  const { random, world, role } = scene;
  const all = comparedRelationships(world, table, role);
  const related = (): Condition => {
    const { relationship, view } = random.pick(all);
    const of: Condition = random.chance(0.2) ? { kind: 'true' } : condition(scene, view.table, depth - 1);
    return { kind: 'related', relationship: relationship.name, of };
  };
  const arrays = countableLists(scene, table);
  const aggregated = (): Condition => {
    const { relationship, view } = random.pick(arrays);
    return aggregate(scene, { relationship: relationship.name, view }, depth - 1);
  };
  return [
    ...(all.length > 0 ? [related, related, related] : []),
    ...(arrays.length > 0 ? [aggregated, aggregated, aggregated] : []),
  ];
}

function existsIn(scene: Scene, table: TableModel, depth: number): Condition {
  const { random, world } = scene;
  const all = world.tables.filter(({ isQuery }) => !isQuery);
  const near = all.filter(({ database }) => database === table.database);
  const other = random.pick(near.length > 0 && random.chance(0.5) ? near : all);
  return { kind: 'exists', table: other.field, of: condition(scene, other, depth) };
}

function columnPair({ random, root }: Scene, table: TableModel): Condition {
  const isRoot = root !== undefined && random.chance(0.5);
  const others = (isRoot ? root : table).columns;
  const pairs = table.columns.flatMap((column) =>
    others
      .filter((other) => other.type === column.type && typeOf(column.type).operators.includes('_lt'))
      .map((other) => [column, other] as const),
  );
  if (pairs.length === 0) return { kind: 'true' };
  const [column, other] = random.pick(pairs);
  const operator = random.pick(['_ceq', '_cne', '_cgt', '_clt', '_cgte', '_clte']);
  return { kind: 'columns', column: column.name, operator, other: other.name, root: isRoot };
}

/**
 * One condition for each small number of related rows with values, or different values, in some columns: together they say
 * for every row which number it is. Their twins differ in the columns alone.
 */
export function counted(random: Random, { relationship, view }: ArrayOf): readonly Condition[] {
  const countable = view.columns.filter(({ type }) => hasEquality(type));
  const of = {
    relationship: relationship.name,
    filter: null,
    columns: random.values.some(countable, 1, 2).map(({ name }) => name),
    distinct: random.chance(0.7),
  };
  const one = (value: number): Condition => ({
    kind: 'aggregate',
    function: 'count',
    operator: '_eq',
    value,
    ...of,
  });
  return [0, 1, 2, 3].map(one);
}

type ArrayOf = ReturnType<typeof comparedRelationships>[number];

/** Lists of related rows that the role may count. */
export function countableLists(
  { world, role }: Pick<Scene, 'world' | 'role'>,
  table: TableModel,
): readonly ArrayOf[] {
  return comparedRelationships(world, table, role).filter(
    ({ relationship, view }) => relationship.kind === 'array' && view.aggregate,
  );
}

const COMPARED = ['_eq', '_neq', '_gt', '_lt', '_gte', '_lte'];

function aggregate(
  scene: Scene,
  { relationship, view }: { relationship: string; view: NonNullable<ReturnType<typeof viewOf>> },
  depth: number,
): Condition {
  const { random } = scene;
  const filter = random.chance(0.5) ? condition(scene, view.table, Math.max(depth, 0)) : null;
  return { kind: 'aggregate', relationship, filter, ...calledOver(random, view.columns) };
}

type Called = Pick<
  Extract<Condition, { kind: 'aggregate' }>,
  'function' | 'columns' | 'distinct' | 'operator' | 'value'
>;

function calledOver(random: Random, columns: readonly ColumnModel[]): Called {
  const booleans = columns.filter(({ type }) => type === 'bool');
  const doubles = columns.filter(({ type }) => type === 'double');
  if (booleans.length > 0 && random.chance(0.4)) {
    return {
      function: random.pick(['bool_and', 'bool_or'] as const),
      columns: [random.pick(booleans).name],
      distinct: false,
      operator: random.pick(['_eq', '_neq']),
      value: random.values.chance(0.5),
    };
  }
  if (doubles.length > 0 && random.chance(0.3)) {
    const name = random.pick(['stddev_samp', 'var_samp', 'corr', 'covar_samp'] as const);
    const one = random.pick(doubles).name;
    return {
      function: name,
      columns: isPaired(name) ? [one, random.pick(doubles).name] : [one],
      distinct: false,
      operator: random.pick(COMPARED),
      // No value that could depend on the order in which rows are added up.
      value: random.values.pick([0.7, -0.3, 1.9, 3.3]),
    };
  }
  if (doubles.length > 0 && random.chance(0.5)) {
    return {
      function: random.pick(['sum', 'avg', 'min', 'max'] as const),
      columns: [random.pick(doubles).name],
      distinct: random.values.chance(0.3),
      operator: random.pick(COMPARED),
      value: random.values.pick([0, 0.5, -1.5, 3, 4.5]),
    };
  }
  const countable = columns.filter(({ type }) => hasEquality(type));
  return {
    function: 'count',
    columns: random.chance(0.5) ? random.values.some(countable, 0, 2).map(({ name }) => name) : [],
    distinct: random.values.chance(0.3),
    operator: random.pick(COMPARED),
    value: random.values.int(0, 3),
  };
}

/** Whether a function is over pairs of values. */
function isPaired(name: Called['function']): boolean {
  return name === 'corr' || name === 'covar_samp';
}

/** The arguments of an aggregate in a condition, of which there are some. */
export function aggregateArguments<T>(name: Called['function'], columns: readonly T[]): unknown {
  if (name === 'count') return columns;
  return isPaired(name) ? { Y: columns[0], X: columns[1] } : columns[0];
}

function onColumn({ random, isRule, hostile }: Scene, column: ColumnModel): Condition {
  const { operators, values } = typeOf(column.type);
  if (operators.length === 0 || random.chance(0.1)) {
    return { kind: 'null', column: column.name, isNull: random.values.chance(0.5) };
  }
  if (hasTextForm(column) && random.chance(0.06)) return onText(random, column);
  const operator = random.pick(operators);
  const isMalformed = hostile === true && random.chance(0.3);
  const value = isMalformed
    ? malformed(random.values, operator, column)
    : operand(random.values, operator, values);
  return {
    kind: 'compare',
    column: column.name,
    operator,
    value,
    cast: false,
    variable: isRule && random.chance(0.25) && !operator.startsWith('_jsonb'),
  };
}

function hasTextForm({ type }: ColumnModel): boolean {
  // A native query answers a domain over texts as text.
  const { list, isEnum, domainOf } = typeOf(type);
  return (
    list !== true &&
    isEnum !== true &&
    ![type, domainOf].some((name) => name === 'text' || name === 'varchar')
  );
}

function onText(random: Random, column: ColumnModel): Condition {
  const operator = random.pick(['_like', '_eq', '_gt', '_nilike', '_in']);
  const { text } = random.values.pick(
    operator.endsWith('like') ? PATTERN_VALUES : typeOf(column.type).values,
  );
  const value = { text, json: text };
  return {
    kind: 'compare',
    column: column.name,
    operator,
    value: operator === '_in' ? [value] : value,
    cast: true,
    variable: false,
  };
}

const LISTS: ReadonlySet<string> = new Set([
  '_in',
  '_nin',
  '_has_keys_any',
  '_has_keys_all',
  '_ancestor_any',
  '_descendant_any',
]);

/** Whether an operator takes several values. */
export function takesList(operator: string): boolean {
  return LISTS.has(operator);
}

/** Whether an operator's right side is text whatever the column is. */
export function takesText(operator: string): boolean {
  return /like|similar|regex|has_key|jsonb_path/.test(operator);
}

function operand(random: Random, operator: string, values: readonly Value[]): Value | readonly Value[] {
  if (operator.startsWith('_has_key')) {
    return takesList(operator) ? random.some(KEY_VALUES, 0, 2) : random.pick(KEY_VALUES);
  }
  if (/like|similar|regex/.test(operator)) return random.pick(PATTERN_VALUES);
  if (operator.startsWith('_jsonb_path')) return random.pick(JSON_PATHS);
  if (operator === '_matches') return random.pick(LTREE_QUERIES);
  if (!takesList(operator)) return random.pick(values);
  // So many are looked up in another way.
  return random.chance(0.15)
    ? Array.from({ length: 60 }, () => random.pick(values))
    : random.some(values, 0, 3);
}

/** An operand that Postgres refuses, some of them only when it comes to a row. */
function malformed(random: Random, operator: string, column: ColumnModel): Value | readonly Value[] {
  const { values, isEnum, own } = typeOf(column.type);
  // Only their own database reads them, and is asked only where a row has a key.
  if (own === true) return operand(random, operator, values);
  if (/like|similar|regex/.test(operator)) return random.pick(BAD_PATTERNS);
  if (operator.startsWith('_jsonb_path')) return random.pick(BAD_JSON_PATHS);
  if (!isUnreadable(column.type) || isEnum === true) return operand(random, operator, values);
  return takesList(operator) ? [random.pick(values), UNREADABLE] : UNREADABLE;
}
