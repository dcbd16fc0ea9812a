import { expect, test } from 'vitest';
import { geometryText } from '../../../../src/catalog/conditions/geojson.ts';
import type { Json } from '../../../../src/core/json/json-text.ts';

const crs = (name: string) => ({ type: 'name', properties: { name } });
const RING = [
  [0, 0],
  [0, 1],
  [1, 1],
  [0, 0],
];

// What `ST_GeomFromGeoJSON(…)::text` says of each.
test.each<[Json, string]>([
  [{ type: 'Point', coordinates: [1, 2] }, '0101000020E6100000000000000000F03F0000000000000040'],
  [
    { type: 'Point', coordinates: [1, 2, 3, 4] },
    '01010000A0E6100000000000000000F03F00000000000000400000000000000840',
  ],
  [
    { type: 'Point', coordinates: [1, 2], crs: crs('urn:ogc:def:crs:EPSG::3857') },
    '0101000020110F0000000000000000F03F0000000000000040',
  ],
  [{ type: 'Point', coordinates: [1, 2], crs: crs('EPSG:0') }, '0101000000000000000000F03F0000000000000040'],
  [
    {
      type: 'LineString',
      coordinates: [
        [1, 2],
        [1, 2, 3],
      ],
    },
    '01020000A0E610000002000000000000000000F03F00000000000000400000000000000000000000000000F03F00000000000000400000000000000840',
  ],
  [{ type: 'Polygon', coordinates: [] }, '0103000020E610000000000000'],
  [
    { type: 'MultiPolygon', coordinates: [[RING]] },
    '0106000020E6100000010000000103000000010000000400000000000000000000000000000000000000000000000000000000000000' +
      '0000F03F000000000000F03F000000000000F03F00000000000000000000000000000000',
  ],
  [
    { type: 'GeometryCollection', geometries: [{ type: 'MultiPoint', coordinates: [[1, 2]] }] },
    '0107000020E6100000010000000104000000010000000101000000000000000000F03F0000000000000040',
  ],
])('%j is written as PostGIS writes it', (value, text) => {
  expect(geometryText(value)).toEqual({ text });
  expect(geometryText(JSON.stringify(value))).toEqual({ text });
});

test('a string that holds no object is for Postgres to read', () => {
  expect(geometryText('POINT(1 2)')).toEqual({ text: 'POINT(1 2)' });
});

test.each<[Json, string]>([
  ['{', 'invalid GeoJSON: not a JSON document'],
  [null, 'parsing Geometry failed, expected Object, but encountered Null'],
  [{ type: 'Circle' }, 'unexpected geometry type: Circle'],
  [{ type: '__proto__' }, 'unexpected geometry type: __proto__'],
  [{ type: 'Point' }, 'key "coordinates" not found'],
  [{ type: 'Point', coordinates: [1] }, 'A Position needs at least 2 elements'],
  [{ type: 'LineString', coordinates: [[1, 2]] }, 'A LineString needs at least 2 Positions'],
  [
    {
      type: 'Polygon',
      coordinates: [
        [
          [0, 0],
          [1, 1],
          [0, 0],
        ],
      ],
    },
    'A LinearRing needs at least 4 Positions',
  ],
  [
    {
      type: 'Polygon',
      coordinates: [
        [
          [0, 0],
          [1, 1],
          [1, 0],
          [0, 1],
        ],
      ],
    },
    'the first and last locations have to be equal for a LinearRing',
  ],
  [
    { type: 'Point', coordinates: [1, 2], crs: 4326 },
    'parsing CRS failed, expected Object, but encountered Number',
  ],
])('%j is no shape: %s', (value, problem) => {
  expect(geometryText(value)).toEqual({ problem });
});

test('collections inside collections without end are refused', () => {
  const open = '{"type": "GeometryCollection", "geometries": [';
  const text = `${open.repeat(100_000)}${']}'.repeat(100_000)}`;
  expect(geometryText(text)).toEqual({ problem: 'collections nested deeper than 200 levels' });
});
