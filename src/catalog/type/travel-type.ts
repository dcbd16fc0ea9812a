/** Whether the type, as the catalog spells it, is an array. */
export function isArrayType(type: string): boolean {
  return type.endsWith(']');
}

/**
 * Whether values of a type cannot be the elements of an array of theirs and go through one of texts: arrays would be
 * flattened, and `box` is split at another character than the comma, as types of extensions (PostGIS) may be.
 */
export function travelsAsText(type: string): boolean {
  return isArrayType(type) || type === 'box' || type.endsWith('vector') || type.includes('.');
}

/** The type whose array carries a column's values between two databases. */
export function travelType(type: string): string {
  return travelsAsText(type) ? 'text' : type;
}
