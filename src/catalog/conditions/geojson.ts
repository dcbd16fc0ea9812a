import { isRecord } from '../../core/json/is-record.ts';
import { jsonKind } from '../../core/json/json-kind.ts';
import type { Json } from '../../core/json/json-text.ts';

// GeoJSON is turned into PostGIS' own binary form here. Postgres reads that as it reads any value: before any row, in every
// version, and whatever schema PostGIS is in. GeoJSON takes a function, which may be called as late as for a row.

/** What a value of `geometry` or `geography` was read as: the type's own text, or why it is none, in Hasura's words. */
export type GeometryText = { readonly text: string } | { readonly problem: string };

/** Reads a GeoJSON object, or a string that holds one; of any other string Postgres is the judge. */
export function geometryText(value: Json): GeometryText {
  if (typeof value === 'string' && !value.trimStart().startsWith('{')) return { text: value };
  try {
    return { text: hexOf(typeof value === 'string' ? (JSON.parse(value) as Json) : value) };
  } catch (error) {
    if (error instanceof NoGeometry) return { problem: error.message };
    if (error instanceof SyntaxError) return { problem: 'invalid GeoJSON: not a JSON document' };
    throw error;
  }
}

class NoGeometry extends Error {}

type Position = readonly number[];
/** Positions, or lists of them as deep as the type has them. */
type Coordinates = Position | readonly Coordinates[];

/** What is known of one of GeoJSON's types: its number, how its coordinates are read, and what they are several of. */
interface GeometryType {
  readonly code: number;
  readonly read: (value: Json | undefined) => Coordinates;
  readonly of?: number;
}

const TYPES: Readonly<Record<string, GeometryType>> = {
  Point: { code: 1, read: position },
  LineString: { code: 2, read: line },
  Polygon: { code: 3, read: (value) => listOf(value, ring) },
  MultiPoint: { code: 4, read: (value) => listOf(value, position), of: 1 },
  MultiLineString: { code: 5, read: (value) => listOf(value, line), of: 2 },
  MultiPolygon: { code: 6, read: (value) => listOf(value, (each) => listOf(each, ring)), of: 3 },
};
const COLLECTION = 7;
/** As deep as PostGIS reads collections inside collections. */
const DEEPEST = 200;

type Geometry =
  | {
      readonly code: number;
      readonly of?: number;
      readonly coordinates: Coordinates;
      readonly parts?: undefined;
    }
  | { readonly code: number; readonly parts: readonly Geometry[] };

function geometry(value: Json, depth: number): Geometry {
  if (depth > DEEPEST) throw new NoGeometry(`collections nested deeper than ${DEEPEST} levels`);
  const { type, coordinates, geometries } = membersOf(value, 'Geometry');
  if (type === undefined) throw new NoGeometry('key "type" not found');
  if (typeof type !== 'string') throw unlike('Text', 'String', type);
  if (type === 'GeometryCollection')
    return {
      code: COLLECTION,
      parts: listOf(present(geometries, 'geometries'), (part) => geometry(part, depth + 1)),
    };
  const known = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (known === undefined) throw new NoGeometry(`unexpected geometry type: ${type}`);
  return { ...known, coordinates: known.read(present(coordinates, 'coordinates')) };
}

function membersOf(value: Json | undefined, what: string): { readonly [name: string]: Json | undefined } {
  if (!isRecord(value)) throw unlike(what, 'Object', value);
  return value as { readonly [name: string]: Json };
}

function present(value: Json | undefined, key: string): Json {
  if (value === undefined) throw new NoGeometry(`key "${key}" not found`);
  return value;
}

function unlike(what: string, kind: string, value: unknown): NoGeometry {
  return new NoGeometry(`parsing ${what} failed, expected ${kind}, but encountered ${jsonKind(value)}`);
}

function elementsOf(value: Json | undefined, what: string): readonly Json[] {
  if (!Array.isArray(value)) throw unlike(what, 'Array', value);
  return value as readonly Json[];
}

function listOf<T>(value: Json | undefined, read: (element: Json) => T): readonly T[] {
  return elementsOf(value, '[]').map(read);
}

/** Numbers after the height are ignored. */
function position(value: Json | undefined): Position {
  const numbers = elementsOf(value, 'Position').map((number) => {
    if (typeof number !== 'number') throw unlike('Double', 'Number', number);
    if (!Number.isFinite(number)) throw new NoGeometry('a coordinate lies outside the bounds');
    return number;
  });
  if (numbers.length < 2) throw new NoGeometry('A Position needs at least 2 elements');
  return numbers.slice(0, 3);
}

function line(value: Json | undefined): readonly Position[] {
  const positions = elementsOf(value, 'LineString').map(position);
  if (positions.length < 2) throw new NoGeometry('A LineString needs at least 2 Positions');
  return positions;
}

function ring(value: Json | undefined): readonly Position[] {
  const positions = elementsOf(value, 'LinearRing').map(position);
  if (positions.length < 4) throw new NoGeometry('A LinearRing needs at least 4 Positions');
  if (String(positions[0]) !== String(positions.at(-1)))
    throw new NoGeometry('the first and last locations have to be equal for a LinearRing');
  return positions;
}

/** Degrees of longitude and latitude, where nothing else is said. */
const WGS84 = 4326;

/** The number of a reference system by its name (`EPSG:3857`, `urn:ogc:def:crs:EPSG::3857`); 0 is none. */
function systemOf(value: Json | undefined): number {
  if (value === undefined || value === null) return WGS84;
  const { type, properties } = membersOf(value, 'CRS');
  const { name, href } = membersOf(properties, 'properties');
  if (type === 'link' && typeof href === 'string') return WGS84;
  if (type !== 'name' || typeof name !== 'string') throw new NoGeometry('unexpected crs');
  if (name.endsWith(':CRS84')) return WGS84;
  return Number(/^(?:urn:ogc:def:crs:)?\w+:(?:[\d.]*:)?(\d{1,6})$/i.exec(name)?.[1] ?? 0);
}

const HAS_HEIGHT = 0x80000000;
const HAS_SYSTEM = 0x20000000;

/** Extended well-known binary in hexadecimal digits, as PostGIS prints it. */
function hexOf(value: Json): string {
  const root = geometry(value, 1);
  const system = systemOf((value as { readonly crs?: Json }).crs);
  const axes = hasHeight(root) ? 3 : 2;
  const head = (code: number): string => `01${whole(axes === 3 ? code + HAS_HEIGHT : code)}`;
  const lists = (coordinates: Coordinates): string =>
    isPosition(coordinates)
      ? Array.from({ length: axes }, (_, axis) => double(coordinates[axis] ?? 0)).join('')
      : whole(coordinates.length) + coordinates.map(lists).join('');
  const body = (shape: Geometry): string => {
    if (shape.parts !== undefined)
      return whole(shape.parts.length) + shape.parts.map((part) => head(part.code) + body(part)).join('');
    const { coordinates, of } = shape;
    if (of === undefined || isPosition(coordinates)) return lists(coordinates);
    return whole(coordinates.length) + coordinates.map((each) => head(of) + lists(each)).join('');
  };
  if (system === 0) return head(root.code) + body(root);
  return `${head(root.code + HAS_SYSTEM)}${whole(system)}${body(root)}`;
}

/** Where one position has a height, positions without one get 0. */
function hasHeight(shape: Geometry): boolean {
  if (shape.parts !== undefined) return shape.parts.some(hasHeight);
  const isHigh = (coordinates: Coordinates): boolean =>
    isPosition(coordinates) ? coordinates.length === 3 : coordinates.some(isHigh);
  return isHigh(shape.coordinates);
}

function isPosition(coordinates: Coordinates): coordinates is Position {
  return typeof coordinates[0] === 'number';
}

function whole(number: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes.toString('hex').toUpperCase();
}

function double(number: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(number);
  return bytes.toString('hex').toUpperCase();
}
