import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Asking, TestLane } from '../support/lane.ts';
import { toOne } from '../support/leading-to.ts';
import { createDatabase, hasExtension, type TestDatabase } from '../support/postgres.ts';

// Columns of PostGIS, which lies in a schema of its own in each database and in no search path. One database has it not.

const COLUMNS = (schema: string): string =>
  `id int primary key, kind text, g ${schema}.geometry, p ${schema}.geometry(Point, 4326), e ${schema}.geography,
   many ${schema}.geometry[], r ${schema}.raster`;
const ROWS = `
  (1, 'a', 'SRID=4326;POINT(1 2)', 'SRID=4326;POINT(1 2)', 'POINT(0.1278 51.5074)', '{SRID=4326;POINT(1 2):POINT(3 4)}'),
  (2, 'b', 'SRID=4326;LINESTRING(0 0, 0.5 1, 1 2, 1.5 3)', null, 'POINT(2.3522 48.8566)', '{}'),
  (3, 'a', 'SRID=4326;POLYGON((0 0, 0 1, 1 1, 1 0, 0 0))', 'SRID=4326;POINT(0.123456789012345678 1e20)',
    'POINT(37.6173 55.7558)', null),
  (4, 'b', 'LINESTRING Z(1 1 10, 1 1.5 10)', null, 'POINT(-74.006 40.7128)', null),
  (5, 'c', null, null, null, null)`;
const shapes = (schema: string): string[] => [
  `create schema ${schema}`,
  ...['postgis', 'postgis_raster'].map((name) => `create extension ${name} schema ${schema}`),
  ...['near', 'far'].map(
    (table) => `create table ${table} (${COLUMNS(schema)});
      insert into ${table} (id, kind, g, p, e, many) values ${ROWS};
      set local search_path = ${schema}, public;
      update ${table} set r = st_asraster(st_buffer(g, 2), 5, 5) where id < 3`,
  ),
];

// Rules that a shape decides, across the relationship too, and one that hides the rows of another reference system.
const area = { p: { _st_d_within: { distance: 'X-Hasura-Distance', from: 'X-Hasura-Place' } } };
const rule = (role: string, filter: object) => {
  return { role, permission: { columns: '*', filter, allow_aggregations: true } };
};
const NEAR = { select_permissions: [rule('around', { far: area }), rule('some', {})] };
const FAR = { select_permissions: [rule('around', area), rule('some', { kind: { _eq: 'a' } })] };

let databases: Record<'cached' | 'bare' | 'target', TestDatabase>;
let lanes: Record<'together' | 'cached' | 'bare', TestLane>;

const point = (x: number, y: number): string => `{type: "Point", coordinates: [${x}, ${y}]}`;
const SQUARE = '{type: "Polygon", coordinates: [[[0,0],[0,3],[3,3],[3,0],[0,0]]]}';
const found = (where: string): string => `{ near(where: {far: ${where}}, order_by: {id: asc}) { id } }`;
const ids = (...found: number[]): string => JSON.stringify({ near: found.map((id) => ({ id })) });
const shown = (type: string, ...coordinates: unknown[]): object => {
  const crs = { type: 'name', properties: { name: 'urn:ogc:def:crs:EPSG::4326' } };
  return { type, crs, coordinates };
};

describe.skipIf(!(await hasExtension('target15', 'postgis_raster')))('PostGIS', () => {
  beforeAll(async () => {
    const [cached, bare, target] = await Promise.all([
      createDatabase('target15', shapes('other')),
      createDatabase('target15', ['create table near as select generate_series(1, 3) as id']),
      createDatabase('target15', shapes('"The Shapes"')),
    ]);
    databases = { cached, bare, target };
    const mapping = { manual_configuration: { remote_table: 'far', column_mapping: { id: 'id' } } };
    const local = { object_relationships: [{ name: 'far', using: mapping }] };
    const remote = { remote_relationships: [toOne('far', 'far', { id: 'id' })] };
    const pg2 = [{ table: 'far', ...FAR }];
    const whole = { pg1: [{ table: 'near', ...local, ...NEAR }, ...pg2] };
    lanes = {
      together: await TestLane.open({ pg1: cached }, whole),
      cached: await TestLane.open(
        { pg1: cached, pg2: target },
        { pg1: [{ table: 'near', ...remote, ...NEAR }], pg2 },
      ),
      bare: await TestLane.open({ pg1: bare, pg2: target }, { pg1: [{ table: 'near', ...remote }], pg2 }),
    };
    await Promise.all([lanes.cached.fillCaches(), lanes.bare.fillCaches()]);
  });

  afterAll(async () => {
    await Promise.all(Object.values(lanes ?? {}).map((lane) => lane.close()));
    await Promise.all(Object.values(databases ?? {}).map((database) => database.drop()));
  });

  /** In one database, from the cache, and live. */
  const everyWay = (query: string, asking: Asking = {}) =>
    Promise.all([
      lanes.together.query(query, asking),
      lanes.cached.query(query, { ...asking, freshness: { fallback: 'stale' } }),
      lanes.cached.query(query, { ...asking, freshness: { noCache: true } }),
    ]);

  test.each<[string, string]>([
    [found(`{g: {_st_contains: ${point(1, 2)}}, id: {_lt: 4}}`), ids(1, 2)],
    [found(`{g: {_st_within: ${SQUARE}}, id: {_lt: 4}, kind: {_eq: "a"}}`), ids(1, 3)],
    [found(`{g: {_st_touches: ${SQUARE}, _st_intersects: ${SQUARE}}, id: {_lt: 3}}`), ids()],
    [found(`{g: {_st_equals: ${point(1, 2)}, _st_overlaps: ${point(1, 2)}}, id: {_lt: 3}}`), ids()],
    [found(`{g: {_st_3d_intersects: ${point(1, 2)}}, id: {_lt: 4}}`), ids(1, 2)],
    [
      found(`{g: {_st_3d_d_within: {distance: 5, from: {type: "Point", coordinates: [1, 1, 13],
        crs: {type: "name", properties: {name: "urn:ogc:def:crs:EPSG::0"}}}}}, id: {_eq: 4}}`),
      ids(4),
    ],
    [found(`{p: {_st_d_within: {distance: 1, from: ${point(1, 1)}}}}`), ids(1)],
    [found(`{e: {_st_d_within: {distance: 1000000, from: ${point(1, 50)}}}}`), ids(1, 2)],
    [
      found(
        `{e: {_st_d_within: {distance: 1000000, from: ${point(1, 50)}, use_spheroid: false}}, id: {_gt: 1}}`,
      ),
      ids(2),
    ],
    [found(`{e: {_st_intersects: ${point(2.3522, 48.8566)}}}`), ids(2)],
    [found(`{g: {_eq: ${point(1, 2)}}}`), ids(1)],
    [found(`{g: {_neq: ${point(1, 2)}}}`), ids(2, 3, 4)],
    [found(`{g: {_in: [${point(1, 2)}, ${SQUARE}]}}`), ids(1)],
    [found(`{g: {_nin: [${point(1, 2)}, ${SQUARE}]}}`), ids(2, 3, 4)],
    [found('{g: {_is_null: true}}'), ids(5)],
    [
      found(`{many: {_eq: [${point(1, 2)}, {type: "Point", coordinates: [3, 4],
        crs: {type: "name", properties: {name: "EPSG:0"}}}]}}`),
      ids(1),
    ],
    [found(`{p: {_cast: {geography: {_st_d_within: {distance: 10, from: ${point(1, 2)}}}}}}`), ids(1)],
    [
      found(
        `{e: {_cast: {geometry: {_st_within: {type: "MultiPolygon", coordinates: [[[[-75,40],[-74,40],[-74,41],[-75,41],[-75,40]]]]}}}}}`,
      ),
      ids(4),
    ],
    [found('{p: {_cast: {String: {_like: "0101%"}}}}'), ids(1, 3)],
    [found(`{r: {_st_intersects_geom_nband: {geommin: ${point(1, 2)}}}}`), ids(1, 2)],
    [found(`{r: {_st_intersects_geom_nband: {geommin: ${point(1, 2)}, nband: 1}}}`), ids(1, 2)],
    [found(`{r: {_st_intersects_nband_geom: {geommin: ${point(9, 9)}, nband: 1}}}`), ids()],
    [
      '{ near(where: {id: {_in: [1, 4]}}, order_by: {id: asc}) { far { g e many } } }',
      JSON.stringify({
        near: [
          {
            far: {
              g: shown('Point', 1, 2),
              e: shown('Point', 0.1278, 51.5074),
              many: [
                {
                  type: 'Point',
                  crs: { type: 'name', properties: { name: 'EPSG:4326' } },
                  coordinates: [1, 2],
                },
                { type: 'Point', coordinates: [3, 4] },
              ],
            },
          },
          {
            far: {
              g: {
                type: 'LineString',
                coordinates: [
                  [1, 1, 10],
                  [1, 1.5, 10],
                ],
              },
              e: shown('Point', -74.006, 40.7128),
              many: null,
            },
          },
        ],
      }),
    ],
    [
      '{ near(where: {id: {_eq: 3}}) { far { p } } }',
      '{"near":[{"far":{"p":{"type":"Point","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::4326"}},"coordinates":[0.123456789012346,1e+20]}}}]}',
    ],
  ])('%s', async (query, expected) => {
    const answers = await everyWay(query);
    expect(answers.map(({ text }) => text)).toEqual([expected, expected, expected]);
    expect(answers.map(({ targets }) => targets.map(({ route }) => route).join())).toEqual([
      '',
      'cache',
      'live',
    ]);
  });

  test('a variable holds a shape, a raster or a whole condition', async () => {
    const query = `query ($at: geometry!, $r: raster!, $w: far_bool_exp!) {
      near(where: {far: {_and: [{g: {_st_contains: $at}}, {r: {_st_intersects_rast: $r}}, $w]}}) { id }
    }`;
    const { rows } = await databases.target.query<{ r: string }>('select r::text from far where id = 1');
    const at = { type: 'Point', coordinates: [1, 2] };
    const w = { p: { _st_d_within: { distance: 0.5, from: at } } };
    const answers = await everyWay(query, { variables: { at, r: rows[0]?.r, w } });
    expect(answers.map(({ text }) => text)).toEqual([ids(1), ids(1), ids(1)]);
  });

  test('a rule compares shapes with what the session says, through the relationship too', async () => {
    const session = { 'x-hasura-distance': '0.1', 'x-hasura-place': '{"type":"Point","coordinates":[1,2]}' };
    const query = '{ near(where: {id: {_lt: 4}}, order_by: {id: asc}) { id far { id } } }';
    const asking = { role: 'around', session };
    const visible = '{"near":[{"id":1,"far":{"id":1}}]}';
    const answers = await everyWay(query, asking);
    expect(answers.map(({ text }) => text)).toEqual([visible, visible, visible]);
  });

  test('what only hidden rows make fail does not fail', async () => {
    const query = found(`{g: {_st_intersects: ${point(1, 1)}}}`);
    await expect(everyWay(query)).rejects.toMatchObject({
      code: 'unexpected',
      message: 'database query error',
    });
    const answers = await everyWay(query, { role: 'some' });
    expect(answers.map(({ text }) => text)).toEqual([ids(3), ids(3), ids(3)]);
  });

  test.each([
    ['_st_contains', point(1, 2), ids(1, 2)],
    ['_st_contains', '{type: "LineString", coordinates: [[0, 0], [1, 1]]}', ids(3)],
    ['_st_within', '{type: "MultiPoint", coordinates: [[1, 2], [1, 1.2]]}', ids(1)],
    ['_st_touches', point(5, 5), ids()],
  ])('%s of %s fails at no row that an index would pass over', async (operator, shape, expected) => {
    const answers = await everyWay(found(`{g: {${operator}: ${shape}}}`));
    expect(answers.map(({ text }) => text)).toEqual([expected, expected, expected]);
  });

  test('conditions beside it leave a comparison of shapes to the index', async () => {
    await databases.cached.query('create index on far using gist (g)');
    await databases.cached.query(
      `insert into far select n, 'x', other.st_point(n, n, 4326) from generate_series(10, 3000) n`,
    );
    await databases.cached.query('analyze far');
    const query = `{ far(where: {g: {_st_d_within: {distance: 1, from: ${point(50, 50)}}}, kind: {_eq: "x"}}) { id } }`;
    const [root] = await lanes.together.explain(query);
    expect(root?.plan?.join()).toContain('far_g_idx');
    expect((await lanes.together.query(query)).text).toBe('{"far":[{"id":50}]}');
    await databases.cached.query('delete from far where id > 9');
  });

  test('where the source database has no PostGIS, a shape is its text by every route, and is compared by the target', async () => {
    const query = '{ near(where: {id: {_eq: 1}}) { far { g e many } } }';
    const cached = await lanes.bare.query(query, { freshness: { fallback: 'stale' } });
    const live = await lanes.bare.query(query, { freshness: { noCache: true } });
    expect(cached.text).toBe(
      '{"near":[{"far":{"g":"0101000020E6100000000000000000F03F0000000000000040","e":"0101000020E6100000EBE2361AC05BC03FC5FEB27BF2C04940","many":"{0101000020E6100000000000000000F03F0000000000000040:010100000000000000000008400000000000001040}"}}]}',
    );
    expect(live.text).toBe(cached.text);
    for (const where of [
      `{g: {_eq: ${point(1, 2)}}}`,
      `{e: {_st_intersects: ${point(1, 2)}}}`,
      '{many: {_eq: []}}',
      `{p: {_cast: {geography: {_eq: ${point(1, 2)}}}}}`,
    ]) {
      const there = await lanes.bare.query(found(where), { freshness: { noCache: true } });
      const { text, targets } = await lanes.bare.query(found(where), { freshness: { fallback: 'stale' } });
      expect(text).toBe(there.text);
      expect(targets).toMatchObject([{ route: 'live', detail: 'type-unknown' }]);
    }
  });
});
