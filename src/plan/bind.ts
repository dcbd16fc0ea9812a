import { type OperandType, plainOperand } from '../catalog/conditions/operand-type.ts';
import { baseType } from '../catalog/conditions/operators.ts';
import { isShape } from '../catalog/conditions/spatial-operators.ts';
import { must, unreachable } from '../core/assert.ts';
import { NearjoinError } from '../core/errors.ts';
import { arrayLiteral } from '../core/postgres/array-literal.ts';
import type { TextValues } from '../core/postgres/text-values.ts';
import { tooComplex } from './budget.ts';
import type { Variables } from './operation/variables.ts';
import type { Param, QueryPlan } from './plan.ts';
import { asEnums, checkLabels, encodeScalar, encodeValue } from './value/encode.ts';
import { bareObject, hasMembers, VariableMention } from './value/input.ts';
import { parseJsonPath } from './value/json-path.ts';
import { readOffset } from './value/offset.ts';
import { checkPattern } from './value/pattern.ts';
import { Representations, valuesIn } from './value/representations.ts';
import { ValueCount } from './value/value-count.ts';

/** Most characters of all values together: a variable that is used a thousand times is sent a thousand times. */
const MOST_CHARACTERS = 64 * 1024 * 1024;

/** Session variables of a request by lower-case name. */
export type SessionVariables = ReadonlyMap<string, string>;

/** The values of one request in Postgres' text form, in the order of `QueryPlan.params`. */
export function bindParams(
  plan: Pick<QueryPlan, 'params' | 'sessionVariables'>,
  variables: Variables,
  session: SessionVariables,
): TextValues {
  const missing = plan.sessionVariables.filter((name) => !session.has(name));
  if (missing.length > 0) {
    const names = missing.map((name) => JSON.stringify(name)).join(', ');
    throw new NearjoinError('not-found', `missing session variables: ${names}`);
  }
  let characters = 0;
  const given = { variables, session, count: new ValueCount(), representations: new Representations() };
  return plan.params.map((param) => {
    const value = bind(param, given);
    characters += value.length;
    if (characters > MOST_CHARACTERS)
      throw tooComplex('$', `values of more than ${MOST_CHARACTERS} characters`);
    if (param.pattern !== null) checkPattern(param.pattern, value);
    return value;
  });
}

/** What a request brings. */
interface Given {
  readonly variables: Variables;
  readonly session: SessionVariables;
  /** Counts the values that are read from variables, and refuses too many. */
  readonly count: ValueCount;
  readonly representations: Representations;
}

function bind(param: Param, given: Given): string {
  const { from } = param;
  const { variables, session, count } = given;
  const counted = <T>(value: T): T => {
    count.add(value);
    return value;
  };
  switch (from.kind) {
    case 'value':
      return from.value;
    case 'session':
      return fromSession(param, session.get(from.name) ?? '');
    case 'session-list':
      return arrayLiteral(
        from.of.map((element) =>
          'text' in element
            ? element.text
            : fromSession(plainOperand(param.type), session.get(element.session) ?? ''),
        ),
      );
    case 'whole-session':
      return JSON.stringify(Object.fromEntries([...session].sort(([a], [b]) => (a < b ? -1 : 1))));
    case 'variable':
      return encode(param, fromJson(param, counted(lookUp(variables, from.path))));
    case 'representations':
      return encode(param, counted(keysIn(from, given, param.path)));
    case 'composed':
      return encode(
        param,
        compose(from.value, (name) => fromJson(param, counted(variables.get(name) ?? null))),
      );
    default:
      return unreachable(from);
  }
}

/**
 * A session variable's value in Postgres' text form. Labels are checked here: where the enum is another database's, the
 * source has only texts and would take any. Shapes are GeoJSON here as in requests.
 */
function fromSession(type: OperandType, text: string): string {
  if (!type.list && isShape(baseType(type.type))) return encodeScalar(type.type, text, '$');
  checkLabels(type, text);
  return text;
}

function encode(param: Param, value: unknown): string {
  if (param.form === 'offset') return readOffset(value, param.path);
  return param.form === 'json-path'
    ? parseJsonPath(value, param.path)
    : encodeValue(param, value, param.path);
}

/** Inside a variable enum values are strings. */
function fromJson(param: Param, value: unknown): unknown {
  return param.enumeration === null ? value : asEnums(value);
}

function lookUp(variables: Variables, [name, ...rest]: readonly (string | number)[]): unknown {
  let value: unknown = variables.get(String(name));
  for (const step of rest) {
    if (Array.isArray(value)) value = value[Number(step)];
    else if (hasMembers(value) && Object.hasOwn(value, step)) value = value[String(step)];
    else return null;
  }
  return value ?? null;
}

function keysIn(
  { path: [variable, run, member] }: Extract<Param['from'], { kind: 'representations' }>,
  { variables, representations }: Given,
  at: string,
): readonly unknown[] {
  const runs = representations.runs(variables.get(variable), at);
  return valuesIn(must(runs[run], 'run of representations'), member, at);
}

/** The literal it came from was parsed under a depth limit, so plain recursion is safe. */
function compose(value: unknown, variable: (name: string) => unknown): unknown {
  if (value instanceof VariableMention) return variable(value.name);
  if (Array.isArray(value)) return value.map((element) => compose(element, variable));
  if (!hasMembers(value)) return value;
  return bareObject(Object.entries(value).map(([name, member]) => [name, compose(member, variable)]));
}
