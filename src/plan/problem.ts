import { NearjoinError } from '../core/errors.ts';

/** A request that does not fit the role's schema. */
export function invalid(path: string, message: string): NearjoinError {
  return new NearjoinError('validation-failed', message, { path });
}

/** A value that does not fit its type. */
export function unparsable(path: string, message: string): NearjoinError {
  return new NearjoinError('parse-failed', message, { path });
}

/** Names as messages list them: `['a', 'b']`. */
export function quotedList(names: Iterable<string>): string {
  return `[${[...names].map((name) => `'${name}'`).join(', ')}]`;
}

/** A field or member that the type, as the role sees it, does not have. */
export function notFound(path: string, name: string, type: string): NearjoinError {
  return invalid(`${path}.${name}`, `field '${name}' not found in type: '${type}'`);
}

/** A member or an argument that has to be given. */
export function missingField(path: string, name: string): NearjoinError {
  return invalid(path, `missing required field '${name}'`);
}

/** A null where the type allows none. */
export function unexpectedNull(path: string, type: string): NearjoinError {
  return invalid(path, `unexpected null value for type '${type}'`);
}

/** A null where a list is expected. */
export function nullForList(path: string): NearjoinError {
  return invalid(path, 'expected a list, but found null');
}
