import type { ColumnType, KnownTypes } from '../catalog.ts';
import { isShape } from '../conditions/spatial-operators.ts';
import { isArrayType } from './travel-type.ts';

/** A type as `KNOWN_TYPES_SQL` tells of it. */
export type KnownTypeRow = readonly [isBuiltIn: boolean, name: string, sql: string];

/** The types of a database that does not say which it has. */
export const NO_TYPES: KnownTypes = { builtIn: new Set(), extension: new Map() };

// Their text names objects of the target database, which the source would not find, and changes with those names.
const NAMES_OBJECTS = new Set(
  `regproc regprocedure regoper regoperator regclass regtype regrole regnamespace regconfig regdictionary
   regcollation aclitem`.split(/\s+/),
);

/** Puts the answer to `KNOWN_TYPES_SQL` in order. */
export function knownTypesOf(rows: readonly KnownTypeRow[]): KnownTypes {
  return {
    builtIn: new Set(rows.flatMap(([isBuiltIn, name]) => (isBuiltIn ? [name] : []))),
    extension: new Map(rows.flatMap(([isBuiltIn, name, sql]) => (isBuiltIn ? [] : [[name, sql] as const]))),
  };
}

/** The type a source database holds a remote column as: the same where that has one meaning on both sides, else text. */
export function heldType(type: ColumnType, known: KnownTypes): string {
  switch (type.kind) {
    case 'domain':
      return type.element === null ? 'text' : heldType(type.element, known);
    case 'array':
      return arrayType(type, known);
    case 'base':
    case 'range':
      return isSame(type, known) ? type.sql : fromExtension(type, known);
    case 'enum':
    case 'composite':
    case 'pseudo':
      return 'text';
  }
}

/** Whether the values of a base or range type are written alike in every database that knows it. */
export function isWrittenAlike(type: ColumnType): boolean {
  const isPlain = type.kind === 'base' || type.kind === 'range';
  return isPlain && type.schema === 'pg_catalog' && !NAMES_OBJECTS.has(type.name);
}

/** Whether values are printed as names of objects: renaming those changes the text of rows that nobody has written. */
export function namesObjects({ schema, name, element, parts = [] }: ColumnType): boolean {
  if (element !== null) return namesObjects(element);
  return parts.some(namesObjects) || (schema === 'pg_catalog' && NAMES_OBJECTS.has(name));
}

function arrayType(type: ColumnType, known: KnownTypes): string {
  if (type.element === null) return isSame(type, known) ? type.sql : 'text';
  if (isWrittenAlike(type.element) && isSame(type.element, known)) return type.sql;
  const element = heldType(type.element, known);
  // Arrays of shapes are split at colons, other arrays are not.
  if (element === 'text' && isShape(type.element)) return 'text';
  // Arrays of a domain over arrays are not arrays of more dimensions.
  return isArrayType(element) ? 'text[]' : `${element}[]`;
}

function isSame(type: ColumnType, known: KnownTypes): boolean {
  return type.schema === 'pg_catalog' && known.builtIn.has(type.name) && !NAMES_OBJECTS.has(type.name);
}

function fromExtension(type: ColumnType, known: KnownTypes): string {
  const same = known.extension.get(type.name);
  if (same === undefined || type.kind !== 'base') return 'text';
  return same + (/\([^()"]*\)$/.exec(type.sql)?.[0] ?? '');
}
