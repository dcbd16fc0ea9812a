import type { ColumnType, JoinPair } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import type { LeafColumn } from '../place/leaf.ts';
import { type Sql, syntax } from '../sql.ts';
import { bareType } from '../types.ts';
import { isFolded } from './folded-keys.ts';

const INTEGERS: ReadonlySet<string> = new Set(['int2', 'int4', 'int8']);

/**
 * Whether a pair's values are told apart by their text. Keys must differ in the same way in which the final statement
 * compares them: a row that matches two keys would be there twice.
 */
export function isComparedAsText({ left, right }: JoinPair, columns: readonly LeafColumn[]): boolean {
  const [from, to] = [baseType(left.type), baseType(right.type)];
  const isHeldAsText = columns.find(({ name }) => name === right.name)?.type === 'text';
  return isHeldAsText || (from.name !== to.name && !(isInteger(from) && isInteger(to)));
}

/** Whether keys come as texts though they are compared as what they are: arrays cannot be elements of an array. */
export function isSentAsText({ right }: JoinPair): boolean {
  return baseType(right.type).kind === 'array';
}

/** The type keys are read as: the left's among integers, of which the right might be too narrow. */
export function keyType(pair: JoinPair, columns: readonly LeafColumn[]): Sql {
  if (isFolded(pair) || isComparedAsText(pair, columns) || isSentAsText(pair)) return syntax('text');
  return bareType(isInteger(baseType(pair.left.type)) ? pair.left.type : pair.right.type);
}

function isInteger({ name }: ColumnType): boolean {
  return INTEGERS.has(name);
}
