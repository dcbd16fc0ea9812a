import type { ColumnType } from '../catalog.ts';
import { BOOLEAN, DOUBLE, INTEGER, siblingType } from './built-in-types.ts';

/** Operators of PostGIS' types, each a function there. */
export type SpatialOperator =
  | 'st_contains'
  | 'st_crosses'
  | 'st_equals'
  | 'st_intersects'
  | 'st_3d_intersects'
  | 'st_overlaps'
  | 'st_touches'
  | 'st_within'
  | 'st_d_within'
  | 'st_3d_d_within'
  | 'st_intersects_rast'
  | 'st_intersects_nband_geom'
  | 'st_intersects_geom_nband';

/** By the type's name. */
export const SPATIAL_OPERATORS: Readonly<Record<string, readonly SpatialOperator[]>> = {
  geometry: [
    'st_contains',
    'st_crosses',
    'st_equals',
    'st_intersects',
    'st_3d_intersects',
    'st_overlaps',
    'st_touches',
    'st_within',
    'st_d_within',
    'st_3d_d_within',
  ],
  geography: ['st_intersects', 'st_d_within'],
  raster: ['st_intersects_rast', 'st_intersects_nband_geom', 'st_intersects_geom_nband'],
};

/** Whether a type's values are shapes, which JSON shows as GeoJSON. */
export function isShape({ kind, name }: ColumnType): boolean {
  return kind === 'base' && (name === 'geometry' || name === 'geography');
}

/** The right side of an operator that is an object: its GraphQL type, and its members as the function takes them. */
export interface ObjectOperand {
  readonly typeName: string;
  readonly members: readonly OperandMember[];
}

/** A member of such an object. Members that may be left out come last, and the function has a default for them. */
export interface OperandMember {
  readonly name: string;
  readonly type: ColumnType;
  readonly required: boolean;
  /** The function's default, where GraphQL's schema shows it. */
  readonly otherwise?: boolean;
}

const FLOAT: ColumnType = { ...DOUBLE, scalar: 'Float' };

/**
 * The object that an operator over values of this type (not a domain) takes; null for operators that take a single value.
 */
export function objectOperand(operator: string, type: ColumnType): ObjectOperand | null {
  const shape = (name: string): OperandMember => ({
    name,
    type: siblingType(type, type.name === 'raster' ? 'geometry' : type.name),
    required: true,
  });
  const near: readonly OperandMember[] = [shape('from'), { name: 'distance', type: FLOAT, required: true }];
  const band = (required: boolean): OperandMember => ({ name: 'nband', type: INTEGER, required });
  const spheroid = { name: 'use_spheroid', type: BOOLEAN, required: false, otherwise: true };
  switch (operator) {
    case 'st_d_within':
      return type.name === 'geography'
        ? { typeName: 'st_d_within_geography_input', members: [...near, spheroid] }
        : { typeName: 'st_d_within_input', members: near };
    case 'st_3d_d_within':
      return { typeName: 'st_d_within_input', members: near };
    case 'st_intersects_nband_geom':
      return { typeName: 'st_intersects_nband_geom_input', members: [band(true), shape('geommin')] };
    case 'st_intersects_geom_nband':
      return { typeName: 'st_intersects_geom_nband_input', members: [shape('geommin'), band(false)] };
    default:
      return null;
  }
}
