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

/** Of members that are left out, which are the last ones, the function knows the value itself. */
export interface OperandMember {
  readonly name: string;
  readonly type: ColumnType;
  readonly required: boolean;
  /** The function's own value, where GraphQL's schema tells of it. */
  readonly otherwise?: boolean;
}

const FLOAT: ColumnType = { ...DOUBLE, scalar: 'Float' };

/** What an operator over values of that type, no domain, takes where that is an object; null for all others. */
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
