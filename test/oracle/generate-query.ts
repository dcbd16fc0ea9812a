import { condition, countableLists, counted } from './generate-condition.ts';
import { Random } from './random.ts';
import { hasEquality, isComposite, typeOf, type Value } from './value-types.ts';
import {
  type ColumnModel,
  type Condition,
  columnNamed,
  comparedRelationships,
  farWays,
  INHERITED,
  permissionsFor,
  ROLES,
  type Step,
  type TableModel,
  type View,
  viewOf,
  visibleRelationships,
  type World,
} from './world.ts';

/** A query free of syntax: printed once as GraphQL and once as plain SQL. */
export interface Query {
  readonly role: string;
  readonly roots: readonly Root[];
  readonly sending: Sending;
  /** Some of its operands may be malformed. */
  readonly hostile: boolean;
}

/** What of a query is sent in variables. */
export interface Sending {
  /** Decides which values are. */
  readonly seed: number;
  /** How many of them, from none to nearly all. */
  readonly share: number;
  /** Some are the variable's default. */
  readonly defaults: boolean;
  /** How many columns are asked for by the computed field that is their value. */
  readonly twins: number;
}

export type Root = { readonly alias: string; readonly table: string } & (
  | { readonly kind: 'list'; readonly called: Call; readonly rows: Rows; readonly fields: readonly Field[] }
  | {
      readonly kind: 'aggregate';
      readonly called: Call;
      readonly rows: Rows;
      readonly parts: readonly Part[];
    }
  | { readonly kind: 'one'; readonly key: readonly Value[]; readonly fields: readonly Field[] }
  | {
      readonly kind: 'stream';
      readonly where: Condition | null;
      /** The column it goes by, and the value it begins behind. */
      readonly by: string;
      readonly after: Value;
      readonly descending: boolean;
      readonly size: number;
      readonly fields: readonly Field[];
    }
);

export type StreamRoot = Extract<Root, { readonly kind: 'stream' }>;

/** The argument of a function or native query that answers the rows, all or none; null where they are the table's own, or where it is left out. */
export type Call = { readonly wanted: boolean | null } | null;

/** Whether the rows are those of the table, or none. */
export function isWanted({ isQuery }: TableModel, called: Call): boolean {
  return called === null ? !isQuery : called.wanted === true;
}

/** The arguments of a list. */
export interface Rows {
  readonly where: Condition | null;
  readonly orderBy: readonly Ordering[];
  readonly distinctOn: readonly string[];
  readonly limit: number | null;
  readonly offset: number | null;
  /** The ordering ends with the whole key: printed, not part of `orderBy`. */
  readonly total: boolean;
}

/** Relationships to follow, then a column or an aggregate over the last of them. */
export interface Ordering {
  readonly path: readonly string[];
  readonly by:
    | { readonly kind: 'column'; readonly column: string }
    | { readonly kind: 'count' }
    | { readonly kind: 'function'; readonly name: string; readonly column: string };
  readonly direction: string;
}

/** How a field is written; what a directive leaves out is not part of the answer. */
export interface Written {
  readonly alias: string;
  readonly directive: {
    readonly name: 'include' | 'skip';
    readonly value: boolean;
  } | null;
  readonly fragment: 'inline' | 'named' | null;
}

export type Field = Written &
  (
    | { readonly kind: 'column'; readonly column: string; readonly path: readonly string[] | null }
    | { readonly kind: 'typename' }
    | {
        readonly kind: 'object';
        readonly relationship: string;
        readonly called: Call;
        readonly fields: readonly Field[];
      }
    | {
        readonly kind: 'array';
        readonly relationship: string;
        readonly called: Call;
        readonly rows: Rows;
        readonly fields: readonly Field[];
      }
    | {
        readonly kind: 'aggregate';
        readonly relationship: string;
        readonly rows: Rows;
        readonly parts: readonly Part[];
      }
  );

/** A member of an aggregate. */
export type Part = { readonly alias: string } & (
  | { readonly kind: 'nodes'; readonly fields: readonly Field[] }
  | { readonly kind: 'values'; readonly values: readonly Computed[] }
);

export type Computed = { readonly alias: string } & (
  | { readonly kind: 'typename' }
  | { readonly kind: 'count'; readonly columns: readonly string[]; readonly distinct: boolean }
  | { readonly kind: 'function'; readonly name: string; readonly columns: readonly string[] }
);

const NUMBER_FUNCTIONS = [
  'sum',
  'avg',
  'stddev',
  'stddev_pop',
  'stddev_samp',
  'variance',
  'var_pop',
  'var_samp',
];
const DIRECTIONS = [
  'asc',
  'desc',
  'asc_nulls_first',
  'asc_nulls_last',
  'desc_nulls_first',
  'desc_nulls_last',
];

interface Scene {
  readonly random: Random;
  readonly world: World;
  readonly role: string;
  readonly hostile: boolean;
  /** Below a relationship, which may lead into another database. */
  readonly isBelow?: boolean;
}

/** The whole ordering of a list, as it is asked for. */
export function orderingsOf(table: TableModel, rows: Rows): readonly Ordering[] {
  const { orderBy, total } = rows;
  if (isOwnOrder(table, rows)) return [];
  const keys = table.key.map(
    (column): Ordering => ({ path: [], by: { kind: 'column', column }, direction: 'asc' }),
  );
  return total ? [...orderBy, ...keys] : orderBy;
}

/** Whether rows come in the order of a native query. */
export function isOwnOrder(
  { isQuery }: TableModel,
  { orderBy, distinctOn }: Pick<Rows, 'orderBy' | 'distinctOn'>,
): boolean {
  return isQuery && orderBy.length === 0 && distinctOn.length === 0;
}

/** A query for a role; null when the role sees no table. */
export function generateQuery(
  random: Random,
  world: World,
  { role = anyRole(random), hostile = false }: { readonly role?: string; readonly hostile?: boolean } = {},
): Query | null {
  const views = world.tables.flatMap((table) => viewOf(table, role) ?? []);
  if (views.length === 0) return null;
  const scene = { random, world, role, hostile };
  const counting = random.chance(0.12) ? countingRoots(scene, views) : [];
  const far = random.chance(0.4) ? farWays(world, role) : [];
  const others = (): readonly Root[] =>
    Array.from({ length: random.chance(0.2) ? 2 : 1 }, (_, i) => {
      const { view, way } =
        i === 0 && far.length > 0 ? random.pick(far) : { view: random.pick(views), way: [] };
      return root(scene, view, `q${i}`, way);
    });
  const roots = counting.length === 0 ? others() : counting;
  const sending = {
    seed: random.seed(),
    share: counting.length === 0 ? random.pick([0, 0.3, 1, 1]) : 1,
    defaults: random.chance(0.15),
    twins: random.pick([0, 0, 0.3, 0.6]),
  };
  return { role, roots, sending, hostile };
}

/** A stream for a role; null when the role sees no column to go by. */
export function generateStream(random: Random, world: World): Query | null {
  const role = anyRole(random);
  const views = world.tables.flatMap((table) => (table.isQuery ? [] : (viewOf(table, role) ?? [])));
  const choices = views.flatMap((view) => sortableOf(view).map((column) => ({ view, column })));
  if (choices.length === 0) return null;
  const { view, column } = random.pick(choices);
  const scene = { random, world, role, hostile: false };
  const stream: StreamRoot = {
    kind: 'stream',
    alias: 'q0',
    table: view.table.field,
    where: random.chance(0.4) ? condition({ ...scene, isRule: false }, view.table, 2) : null,
    by: column.name,
    after: random.pick(typeOf(column.type).values),
    descending: random.chance(0.3),
    size: random.int(1, 4),
    fields: fields(scene, view, 2),
  };
  const sending = { seed: random.seed(), share: random.pick([0, 0.3, 1]), defaults: false, twins: 0 };
  return { role, roots: [stream], sending, hostile: false };
}

/** Two queries that differ in values only: where those are all sent in variables their texts are the same. */
export function generateTwins(
  random: Random,
  world: World,
  how: { readonly role?: string; readonly hostile?: boolean } = {},
): readonly Query[] {
  const seed = random.seed();
  const made = [random.seed(), random.seed()].map((values) =>
    generateQuery(new Random(seed, values), world, how),
  );
  return made.filter((query) => query !== null);
}

function anyRole(random: Random): string {
  return random.chance(0.4) ? 'admin' : random.pick([...ROLES, INHERITED]);
}

function root(scene: Scene, view: View, alias: string, way: readonly Step[]): Root {
  const { random } = scene;
  const { field: table, key, rows, isQuery } = view.table;
  if (hasKey(view) && random.chance(0.1)) {
    const row = rows.length > 0 && random.values.chance(0.8) ? random.values.pick(rows) : null;
    const values = key.map((name): Value => {
      const { values: all } = typeOf(columnNamed(view.table, name).type);
      const text = row?.[view.table.columns.findIndex((column) => column.name === name)];
      return all.find((value) => value.text === text) ?? random.values.pick(all);
    });
    return { kind: 'one', alias, table, key: values, fields: fields(scene, view, 2, way) };
  }
  const called = isQuery || random.chance(0.2) ? call(random) : null;
  if (view.aggregate && random.chance(0.2))
    return {
      kind: 'aggregate',
      alias,
      table,
      called,
      rows: rowsArguments(scene, view, 2),
      parts: parts(scene, view, 2, way),
    };
  return {
    kind: 'list',
    alias,
    table,
    called,
    rows: rowsArguments(scene, view, 2),
    fields: fields(scene, view, random.pick([2, 2, 2, 3]), way),
  };
}

/** Whether single rows can be asked for. */
function hasKey({ table: { key, isView, isQuery }, columns }: View): boolean {
  return !isView && !isQuery && key.every((name) => columns.some((column) => column.name === name));
}

function call(random: Random): NonNullable<Call> {
  return { wanted: random.values.pick([true, true, true, false, null]) };
}

/** Lists filtered by a count of related rows: of their twins nothing differs that makes another plan but the counted columns. */
function countingRoots(scene: Scene, views: readonly View[]): readonly Root[] {
  const { random } = scene;
  const all = views.flatMap((view) => countableLists(scene, view.table).map((list) => ({ view, list })));
  if (all.length === 0) return [];
  const { view, list } = random.pick(all);
  const { field: table, key } = view.table;
  const total = key.every((name) => isAlwaysShown(view.table, name, scene.role));
  const column = random.pick(view.columns);
  const fields: readonly Field[] = [{ ...plainly('c0'), kind: 'column', column: column.name, path: null }];
  return counted(random, list).map((where, i) => {
    const rows = { where, orderBy: [], distinctOn: [], limit: null, offset: null, total };
    return { kind: 'list', alias: `q${i}`, table, called: null, rows, fields };
  });
}

function plainly(alias: string): Written {
  return { alias, directive: null, fragment: null };
}

function rowsArguments(scene: Scene, view: View, depth: number): Rows {
  const { random } = scene;
  const sortable = sortableOf(view);
  const distinctOn =
    sortable.length > 0 && random.chance(0.1) ? random.some(sortable, 1, 2).map(({ name }) => name) : [];
  const first = distinctOn.map(
    (column): Ordering => ({
      path: [],
      by: { kind: 'column', column },
      direction: random.values.pick(DIRECTIONS),
    }),
  );
  const chosen = random.chance(0.5)
    ? Array.from({ length: random.int(1, 2) }, () => ordering(scene, view, 2)).flat()
    : [];
  const orderBy = [...first, ...chosen];
  const mayBeTotal =
    isOwnOrder(view.table, { orderBy, distinctOn }) ||
    view.table.key.every((name) => isAlwaysShown(view.table, name, scene.role));
  return {
    where: random.chance(0.55) ? condition({ ...scene, isRule: false }, view.table, depth) : null,
    orderBy,
    distinctOn,
    limit: random.chance(0.25) ? random.values.int(0, 5) : null,
    offset: random.chance(0.12) ? random.values.int(0, 3) : null,
    total: random.chance(0.85) && mayBeTotal,
  };
}

function sortableOf({ columns }: View): readonly ColumnModel[] {
  return columns.filter(({ type }) => typeOf(type).operators.includes('_lt'));
}

/** An inherited role may see a column in some rows only. */
function isAlwaysShown(table: TableModel, column: string, role: string): boolean {
  return role === 'admin' || permissionsFor(table, role).every(({ columns }) => columns.includes(column));
}

function ordering(scene: Scene, view: View, depth: number): readonly Ordering[] {
  const { random, world, role } = scene;
  const direction = random.values.pick(DIRECTIONS);
  const related = depth === 0 ? [] : comparedRelationships(world, view.table, role);
  if (related.length > 0 && random.chance(0.5)) {
    const { relationship, view: right } = random.pick(related);
    if (relationship.kind === 'object')
      return ordering(scene, right, depth - 1).map((inner) => ({
        ...inner,
        path: [relationship.name, ...inner.path],
      }));
    return [{ path: [relationship.name], by: aggregateOrder(random, right), direction }];
  }
  const sortable = sortableOf(view);
  return sortable.length === 0
    ? []
    : [{ path: [], by: { kind: 'column', column: random.pick(sortable).name }, direction }];
}

function aggregateOrder(random: Random, view: View): Ordering['by'] {
  const name = random.pick([...NUMBER_FUNCTIONS, 'min', 'max', 'min', 'max']);
  const fitting = view.columns.filter(({ type }) =>
    functionsOf(typeOf(type).aggregates, false).includes(name),
  );
  return fitting.length === 0 || random.chance(0.4)
    ? { kind: 'count' }
    : { kind: 'function', name, column: random.pick(fitting).name };
}

/** The functions of a column's values; those that depend on the order of floats only where there is one. */
function functionsOf(kind: string, isOrdered: boolean): readonly string[] {
  if (kind === 'number' || (kind === 'float' && isOrdered)) return [...NUMBER_FUNCTIONS, 'min', 'max'];
  if (kind === 'float') return ['sum', 'min', 'max'];
  return kind === 'ordered' ? ['min', 'max'] : [];
}

/** Some fields, and those that lead along a way. */
function fields(
  scene: Scene,
  view: View,
  depth: number,
  [step, ...way]: readonly Step[] = [],
): readonly Field[] {
  const { random, world, role } = scene;
  const related = depth === 0 ? [] : visibleRelationships(world, view.table, role);
  // In another database than its own a composite is shown as its text.
  const shown = view.columns.filter(({ type }) => scene.isBelow !== true || !isComposite(type));
  const made = [
    ...random
      .some(shown, 0, 4)
      .map((column, i): Field => ({ ...written(random, `c${i}`), ...columnField(random, column) })),
    ...(step === undefined
      ? []
      : [{ ...plainly('w'), ...relatedField(scene, step, Math.max(depth - 1, 0), way) }]),
    ...Array.from(
      { length: related.length === 0 ? 0 : random.int(0, 3) },
      (_, i): Field => ({
        ...written(random, `r${i}`),
        ...relatedField(scene, oneOf(random, view, related), depth - 1),
      }),
    ),
  ];
  const typename: Field = { ...written(random, 't'), directive: null, kind: 'typename' };
  return made.length === 0 || random.chance(0.05) ? [...made, typename] : made;
}

/** A relationship to follow, more often than there are such: to a native query, or into another database. */
function oneOf(random: Random, { table }: View, related: readonly Step[]): Step {
  const rare = related.filter(({ view: to }) => to.table.isQuery || to.table.database !== table.database);
  return random.pick(rare.length > 0 && random.chance(0.4) ? rare : related);
}

function written(random: Random, alias: string): Written {
  const directive = {
    name: random.pick(['include', 'skip'] as const),
    value: random.values.chance(0.5),
  };
  return {
    alias,
    directive: random.chance(0.06) ? directive : null,
    fragment: random.chance(0.06) ? random.pick(['inline', 'named'] as const) : null,
  };
}

type Shown<Kind extends Field['kind']> = Omit<Extract<Field, { kind: Kind }>, keyof Written>;

function columnField(random: Random, { name, type }: ColumnModel): Shown<'column'> {
  const isJson = type === 'jsonb' || type === 'json';
  const path =
    isJson && random.chance(0.5) ? random.values.pick([['a'], ['a', 'b'], ['b', '0'], ['0']]) : null;
  return { kind: 'column', column: name, path };
}

function relatedField(
  from: Scene,
  { relationship, view }: Step,
  depth: number,
  way: readonly Step[] = [],
): Shown<'object'> | Shown<'array'> | Shown<'aggregate'> {
  const scene = { ...from, isBelow: true };
  const { name, kind } = relationship;
  const called = view.table.isQuery && scene.random.chance(0.9) ? call(scene.random) : null;
  if (kind === 'object') return { kind, relationship: name, called, fields: fields(scene, view, depth, way) };
  const rows = rowsArguments(scene, view, depth);
  return view.aggregate && scene.random.chance(0.35)
    ? { kind: 'aggregate', relationship: name, rows, parts: parts(scene, view, depth, way) }
    : { kind: 'array', relationship: name, called, rows, fields: fields(scene, view, depth, way) };
}

function parts(scene: Scene, view: View, depth: number, way: readonly Step[]): readonly Part[] {
  const { random } = scene;
  const values: Part = { kind: 'values', alias: 'p0', values: computed(random, view) };
  const nodes = (): Part => ({
    kind: 'nodes',
    alias: 'p1',
    fields: fields(scene, view, depth - 1 < 0 ? 0 : depth - 1, way),
  });
  if (random.chance(0.5)) return [values];
  if (random.chance(0.2)) return [{ ...nodes(), alias: 'p2' }, values, nodes()];
  return random.chance(0.5) ? [values, nodes()] : [nodes()];
}

function computed(random: Random, view: View): readonly Computed[] {
  const found: Computed[] = random.chance(0.1) ? [{ kind: 'typename', alias: 't' }] : [];
  if (found.length > 0 && random.chance(0.5)) return found;
  const countable = view.columns.filter(({ type }) => hasEquality(type));
  const count = (): Computed => ({
    kind: 'count',
    alias: `v${found.length}`,
    columns: random.chance(0.6) ? random.values.some(countable, 0, 2).map(({ name }) => name) : [],
    distinct: random.values.chance(0.4),
  });
  found.push(count());
  for (const name of random.some([...NUMBER_FUNCTIONS, 'min', 'max'], 0, 4)) {
    const fitting = view.columns.filter(({ type }) =>
      functionsOf(typeOf(type).aggregates, false).includes(name),
    );
    if (fitting.length > 0)
      found.push({
        kind: 'function',
        alias: `v${found.length}`,
        name,
        columns: random.some(fitting, 1, 3).map((column) => column.name),
      });
  }
  return found;
}
