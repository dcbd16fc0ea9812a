import type {
  CallArgument,
  Callable,
  ColumnType,
  FunctionCall,
  GivenSlot,
  Signature,
  Slot,
} from '../catalog.ts';
import { scalarName } from '../introspect/column-type.ts';
import type { FoundFunction } from '../introspect/found-functions.ts';

/** Which of a function's arguments do not come from the request. */
export interface Implicit {
  /** The place of the row's argument; null where a function takes none. */
  readonly row: number | null;
  /** The place of the session's; null where a function takes none. */
  readonly session: number | null;
}

/** How a function is called, some of its arguments implicitly. */
export function signatureOf(found: FoundFunction, implicit: Implicit): Signature {
  let unnamed = 0;
  const slots = found.args.map((argument, place): Slot => {
    const { name } = argument;
    if (place === implicit.row) return { kind: 'row', name };
    if (place === implicit.session) return { kind: 'session', name, type: argument.type };
    if (name === null) unnamed += 1;
    const field = name ?? `arg_${unnamed}`;
    return { kind: 'given', name, field, type: argumentType(argument.type), hasDefault: argument.hasDefault };
  });
  return { ref: found.ref, slots, leakproof: found.leakproof };
}

/** The arguments of a function that requests give. */
export function givenSlots({ slots }: Signature): readonly GivenSlot[] {
  return slots.filter((slot) => slot.kind === 'given');
}

/** Whether requests give arguments: conditions, orderings and rules have no place for any. */
export function takesArguments({ signature }: Callable): boolean {
  return givenSlots(signature).length > 0;
}

/** A call with what it passes. */
export function callOf({ slots: _given, ...called }: Signature, args: readonly CallArgument[]): FunctionCall {
  return { ...called, args };
}

/** As in Hasura a scalar of the very type's name: an array is written as its text, a row as the text of its fields. */
export function argumentType(type: ColumnType): ColumnType {
  if (type.kind === 'base' || type.kind === 'range') return type;
  const scalar = type.kind === 'composite' ? `${scalarName(type.name)}_scalar` : scalarName(type.name);
  const { oid, name, schema, sql, category, labels } = type;
  return {
    oid,
    name,
    schema,
    sql,
    kind: type.kind === 'enum' ? 'enum' : 'base',
    category,
    element: null,
    scalar,
    ...(labels === undefined ? {} : { labels }),
  };
}
