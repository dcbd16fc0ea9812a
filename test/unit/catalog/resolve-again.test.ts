import { expect, test } from 'vitest';
import type { Catalog, Table } from '../../../src/catalog/catalog.ts';
import type { Introspection, Unavailable } from '../../../src/catalog/introspection.ts';
import type { Spelling } from '../../../src/catalog/part/spelling.ts';
import { Resolver } from '../../../src/catalog/resolve.ts';
import { DocumentReader, parseMetadata } from '../../../src/metadata/document/parse.ts';
import { Random } from '../../oracle/random.ts';
import { resolve } from '../../support/resolve.ts';
import { database, remote, source, table, tableOf } from './found.ts';

// A resolver that remembers, and a reader that remembers, say the same as ones that have seen nothing yet.

const SEED = Number(process.env['NEARJOIN_SEED'] ?? Date.now() % 100_000);
const CHANGES = 150;
const SOURCES = ['a', 'b', 'c'];
const TABLES = ['t0', 't1', 't2', 't3'];
const COLUMNS = ['id', 'other', 'name', 'kind', 'missing'];

/** A part of a document, to be changed in place. */
type Loose = Record<string, unknown>;

interface World {
  readonly sources: (Loose & { name: string; tables: Loose[] })[];
  readonly found: Map<string, Introspection | Unavailable>;
  inherited: Loose[];
}

function introspection(random: Random): Introspection | Unavailable {
  if (random.chance(0.1)) return { unavailable: 'gone' };
  const kinds = table('kinds', ['value text pk']);
  const tables = random.some(TABLES, 2).map((name) => {
    const more = random.some(['name text', 'kind text -> kinds.value', 'other int8 -> t1.id'], 1);
    return table(name, ['id int8 pk', ...more]);
  });
  const values = [{ value: 'one', description: null }];
  return database([...tables, kinds], {}, new Map([['["public","kinds"]', values]]));
}

function rule(random: Random, depth = 2): unknown {
  const compare = (): unknown => ({ [random.pick(COLUMNS)]: { _eq: random.pick(['x', 1, 'X-Hasura-Id']) } });
  if (depth === 0) return compare();
  const where = (): unknown => rule(random, depth - 1);
  return random.oneOf<unknown>([
    compare,
    () => ({}),
    () => ({ _and: [where(), where()] }),
    () => ({ [random.pick(['r0', 'r1', 'far'])]: where() }),
    () => ({
      _exists: {
        _table: { source: random.pick(SOURCES), schema: 'public', name: random.pick(TABLES) },
        _where: where(),
      },
    }),
  ]);
}

function local(random: Random, name: string): Loose {
  const mapping = { [random.pick(COLUMNS)]: random.pick(COLUMNS) };
  const using = random.oneOf<unknown>([
    () => ({ foreign_key_constraint_on: random.pick(COLUMNS) }),
    () => ({ manual_configuration: { remote_table: random.pick(TABLES), column_mapping: mapping } }),
  ]);
  return { name, using };
}

function far(random: Random): object {
  const follow = random.pick(['none', 'object', 'all']);
  return remote('far', {
    source: random.pick([...SOURCES, 'nowhere']),
    table: random.pick(TABLES),
    mapping: { [random.pick(['id', 'other'])]: random.pick(['id', 'other', 'name']) },
    nearjoin: random.chance(0.5) ? { follow } : { cache: false },
  });
}

function tracked(random: Random, name: string): Loose {
  return {
    table: { schema: 'public', name },
    ...(name === 'kinds' ? { is_enum: true } : {}),
    ...some(random),
  };
}

function some(random: Random): Loose {
  const [role, another] = ['user', 'staff'];
  const permission = (): unknown => ({ columns: random.pick([['id'], '*', ['gone']]), filter: rule(random) });
  return {
    object_relationships: random.some(['r0', 'r1'], 0).map((name) => local(random, name)),
    remote_relationships: random.chance(0.6) ? [far(random)] : [],
    select_permissions: random
      .some([role, another], 0)
      .map((each) => ({ role: each, permission: permission() })),
    configuration: random.chance(0.2) ? { custom_name: random.pick(['t1', 'own', 'a b']) } : {},
  };
}

function worldOf(random: Random): World {
  const sources = SOURCES.map((name) =>
    source(
      name,
      TABLES.map((each) => tracked(random, each)),
    ),
  );
  const found = new Map(SOURCES.map((name) => [name, introspection(random)]));
  return { sources: sources as World['sources'], found, inherited: [] };
}

/** One thing, as a command or a database would change it. */
function change(world: World, random: Random): void {
  const at = random.pick(world.sources);
  const place = random.int(0, Math.max(at.tables.length - 1, 0));
  random.oneOf<unknown>([
    () => Object.assign(at.tables[place] ?? {}, some(random)),
    () => Object.assign(at.tables[place] ?? {}, { select_permissions: some(random)['select_permissions'] }),
    () => at.tables.splice(place, 1),
    () => {
      const name = random.pick([...TABLES, 'kinds']);
      const isThere = at.tables.some((each) => (each['table'] as { name: string }).name === name);
      if (!isThere) at.tables.splice(place, 0, tracked(random, name));
    },
    () => at.tables.reverse(),
    () => world.sources.reverse(),
    () => world.found.set(at.name, introspection(random)),
    () => Object.assign(at, { customization: random.pick(CUSTOMIZATIONS) }),
    () => {
      const roles = random.some(['user', 'staff', 'boss', 'ghost'], 1);
      world.inherited = random.chance(0.5) ? [] : [{ role_name: 'boss', role_set: roles }];
    },
  ]);
}

const CUSTOMIZATIONS: readonly unknown[] = [
  {},
  ...SOURCES.map((prefix) => ({ root_fields: { prefix }, type_names: { prefix } })),
  { root_fields: { namespace: 'space' } },
  { naming_convention: 'graphql-default', type_names: { suffix: '_x' } },
];

/** Everything of a catalog as text; what a function answers in place of the function. */
function printed(catalog: Catalog): string {
  return JSON.stringify(
    catalog,
    (key, value: unknown) => {
      if (key === 'spelling') return (value as Spelling).enumValue('a');
      if (value instanceof Map) return [...value];
      if (value instanceof Set) return [...value];
      return typeof value === 'function' ? String((value as Table['derivedType'])('_order_by')) : value;
    },
    1,
  );
}

test(`resolved again and again is as resolved from scratch, whatever changes (seed ${SEED})`, () => {
  const random = new Random(SEED);
  const world = worldOf(random);
  const [resolver, reader] = [new Resolver(), new DocumentReader()];
  const seen = new Set<string>();
  for (let step = 0; step < CHANGES; step += 1) {
    const document = { kept: step, version: 3, sources: world.sources, inherited_roles: world.inherited };
    const text = JSON.stringify(document);
    const [again, anew] = [reader.read(text), parseMetadata(JSON.parse(text))];
    expect(JSON.stringify(again), `step ${step}`).toBe(JSON.stringify(anew));
    const version = { resourceVersion: step, generation: step };
    const catalog = printed(resolver.resolve(again, world.found, version));
    expect(catalog, `step ${step}`).toBe(printed(resolve(anew, world.found, version)));
    seen.add(catalog);
    change(world, random);
  }
  expect(seen.size).toBeGreaterThan(CHANGES / 2);
});

test('a change of one permission leaves all tables that it does not concern as they are', () => {
  const found = new Map([['a', database(TABLES.map((name) => table(name, ['id int8 pk', 'other int8'])))]]);
  const [resolver, reader] = [new Resolver(), new DocumentReader()];
  const catalogs = [1, 2].map((limit) => {
    const tables = TABLES.map((name) => {
      const permission = { columns: ['id'], filter: {}, ...(name === 't2' ? { limit } : {}) };
      const link = { manual_configuration: { remote_table: 't2', column_mapping: { other: 'id' } } };
      const object_relationships = name === 't1' ? [{ name: 'link', using: link }] : [];
      return { table: name, object_relationships, select_permissions: [{ role: 'user', permission }] };
    });
    const metadata = reader.read(JSON.stringify({ version: 3, sources: [source('a', tables)] }));
    return resolver.resolve(metadata, found, { resourceVersion: limit, generation: limit });
  });
  const [before, after] = catalogs.map((catalog) => TABLES.map((name) => tableOf(catalog, 'a', name)));
  expect(TABLES.filter((_, place) => before?.[place] !== after?.[place])).toEqual(['t2']);
});
