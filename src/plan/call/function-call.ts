import { givenSlots, takesArguments } from '../../catalog/call/function-arguments.ts';
import type { CallArgument, Callable, GivenSlot, Signature, Slot } from '../../catalog/catalog.ts';
import { plainOperand } from '../../catalog/conditions/operand-type.ts';
import { NearjoinError } from '../../core/errors.ts';
import { objectMembers } from '../argument/members.ts';
import { planOperand } from '../argument/operand.ts';
import type { CollectedField } from '../operation/collect.ts';
import { inside, type Planning, type Position } from '../planning.ts';
import { missingField, notFound } from '../problem.ts';
import { type Input, isNull, literal } from '../value/input.ts';

/** The field argument that holds the function's arguments. */
const ARGS = 'args';

/** The arguments of a field's function, and the field without them. */
export function planArguments(
  planning: Planning,
  called: Callable,
  field: CollectedField,
): { readonly args: readonly CallArgument[]; readonly rest: CollectedField } {
  const rest = new Map(field.arguments);
  const hasArgs = takesArguments(called);
  const node = hasArgs ? rest.get(ARGS) : undefined;
  if (hasArgs) rest.delete(ARGS);
  const at = { path: `${field.at.path}.args.${ARGS}`, depth: field.at.depth + 1 };
  const args = planCall(planning, called, node === undefined ? null : literal(node), at);
  return { args, rest: { ...field, arguments: rest } };
}

/** The arguments of a call that takes nothing from the request. */
export function bareArguments(planning: Planning, signature: Signature): readonly CallArgument[] {
  return passed(planning, signature, new Map(), '$');
}

function planCall(
  planning: Planning,
  { signature, argsType }: Callable,
  node: Input | null,
  at: Position,
): readonly CallArgument[] {
  const slots = givenSlots(signature);
  const isRequired = slots.some(({ hasDefault }) => !hasDefault);
  if (node === null) {
    if (isRequired) throw missingField(at.path, ARGS);
    return bareArguments(planning, signature);
  }
  const input = planning.variables.open(node, isRequired ? `${argsType}!` : argsType, at.path);
  const members = objectMembers(input, argsType, at.path);
  const given = new Map<string, CallArgument>();
  for (const [name, member] of members) {
    const slot = slots.find(({ field }) => field === name);
    if (slot === undefined) throw notFound(at.path, name, argsType);
    given.set(name, planGiven(planning, slot, member, inside(planning, at, name)));
  }
  return passed(planning, signature, given, at.path);
}

/** Any argument of a function may be null; a native query says which of its own may. */
function planGiven(planning: Planning, slot: GivenSlot, member: Input, at: Position): CallArgument {
  const { name, type, notNull } = slot;
  const opened = planning.variables.open(member, notNull === true ? `${type.scalar}!` : type.scalar, at.path);
  if (isNull(opened) && notNull !== true) return { kind: 'null', name, type };
  const what = { ...plainOperand(type), enumeration: null };
  return { kind: 'value', name, operand: planOperand(planning, opened, what, at).index };
}

/** Arguments by position up to the first that is left out, by name after it. */
function passed(
  planning: Planning,
  signature: Signature,
  given: ReadonlyMap<string, CallArgument>,
  path: string,
): readonly CallArgument[] {
  if (signature.statement !== undefined) return filledIn(signature, given, path);
  const args: CallArgument[] = [];
  let isNamed = false;
  for (const slot of signature.slots) {
    const argument = slot.kind === 'given' ? given.get(slot.field) : implicit(planning, slot);
    if (argument === undefined) {
      isNamed = true;
      if (slot.kind === 'given' && !slot.hasDefault)
        throw unsupported('Non default arguments cannot be omitted', path);
    } else if (isNamed && argument.name === null) {
      throw unsupported('Only last set of positional arguments can be omitted', path);
    } else {
      args.push(isNamed ? argument : { ...argument, name: null });
    }
  }
  return args;
}

/** All arguments of a native query. One that is left out is null, if it may be. */
function filledIn(
  signature: Signature,
  given: ReadonlyMap<string, CallArgument>,
  path: string,
): readonly CallArgument[] {
  return givenSlots(signature).map(({ field, type, notNull }) => {
    const argument = given.get(field);
    if (argument !== undefined) return argument;
    if (notNull === true) throw missingField(path, field);
    return { kind: 'null', name: null, type };
  });
}

function implicit(planning: Planning, slot: Exclude<Slot, GivenSlot>): CallArgument {
  const { name } = slot;
  if (slot.kind === 'row') return { kind: 'row', name };
  return { kind: 'value', name, operand: planning.params.wholeSession(slot.type).index };
}

function unsupported(message: string, path: string): NearjoinError {
  return new NearjoinError('not-supported', message, { path });
}
