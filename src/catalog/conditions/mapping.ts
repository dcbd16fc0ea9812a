import type { Column, ColumnType } from '../catalog.ts';
import { baseType, INCOMPARABLE } from './operators.ts';

const FAMILIES: Readonly<Record<string, string>> = {
  int2: 'integer',
  int4: 'integer',
  int8: 'integer',
  text: 'text',
  varchar: 'text',
  bpchar: 'text',
  citext: 'text',
  name: 'text',
};

/** Types without an equality that means "the same value": shapes are equal to Postgres when they are equally large. */
const WITHOUT_EQUALITY: ReadonlySet<string> = new Set([
  ...INCOMPARABLE,
  'lseg',
  'line',
  'path',
  'box',
  'circle',
]);

/** Why two columns cannot be the two sides of a mapping; null when they can, without losing a value or a distinction. */
export function mappingProblem(left: Column, right: Column): string | null {
  const pair = `column "${left.name}" has type ${left.type.sql} and column "${right.name}" has type ${right.type.sql}`;
  if (lacksEquality(left.type) || lacksEquality(right.type))
    return `${pair}: values of such a type have no equality`;
  return family(left.type) === family(right.type) ? null : `${pair}: they cannot be compared without loss`;
}

/** Whether values of the type cannot be told equal, or only by their size. */
export function lacksEquality(type: ColumnType): boolean {
  const plain = baseType(type);
  if (plain.kind === 'array' && plain.element !== null) return lacksEquality(plain.element);
  if (plain.kind === 'composite') return plain.parts?.some(lacksEquality) ?? false;
  return WITHOUT_EQUALITY.has(plain.name) || plain.kind === 'pseudo';
}

/** Equal for types whose values compare without loss. Two databases number types apart, so types are told by name. */
function family(type: ColumnType): string {
  const plain = baseType(type);
  if (plain.kind === 'array' && plain.element !== null) return `array of ${family(plain.element)}`;
  return Object.hasOwn(FAMILIES, plain.name) ? `family ${FAMILIES[plain.name]}` : `type ${plain.name}`;
}
