/** Whether the type, as the catalog spells it, is an array. */
export function isArrayType(type: string): boolean {
  return type.endsWith(']');
}

/**
 * Whether values of a type travel as texts, because an array of the type cannot carry them: arrays would be flattened, and
 * `box`, like some types of extensions (PostGIS), is not split at commas.
 */
export function travelsAsText(type: string): boolean {
  return isArrayType(type) || type === 'box' || type.endsWith('vector') || type.includes('.');
}

/** The type whose array carries a column's values between two databases. */
export function travelType(type: string): string {
  return travelsAsText(type) ? 'text' : type;
}
