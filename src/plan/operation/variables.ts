import type { DocumentNode, OperationDefinitionNode, ValueNode, VariableDefinitionNode } from 'graphql';
import { invalid, unparsable } from '../problem.ts';
import { bareObject, EnumText, type Input, plainValue } from '../value/input.ts';
import { checkDirectives } from './known-directives.ts';
import { type LocationType, mayStandAt, printType } from './location.ts';
import { usesOf, type VariableUses } from './variable-uses.ts';

/** Variables by name with defaults filled in; an absent nullable one has no entry. */
export type Variables = ReadonlyMap<string, unknown>;

/** What can be said of an operation's variables before any request: made once per operation, then reused. */
export interface PreparedVariables {
  readonly definitions: ReadonlyMap<string, VariableDefinitionNode>;
  readonly uses: VariableUses;
}

/** Reads the declarations and uses of variables; throws for variables declared twice or not at all. */
export function prepareVariables(
  document: DocumentNode,
  operation: OperationDefinitionNode,
): PreparedVariables {
  const definitions = new Map<string, VariableDefinitionNode>();
  for (const definition of operation.variableDefinitions ?? []) {
    const name = definition.variable.name.value;
    if (definitions.has(name)) throw unparsable('$', `multiple definitions for variable "${name}"`);
    checkDirectives(definition.directives, 'a variable definition', '$');
    definitions.set(name, definition);
  }
  const uses = usesOf(document, operation);
  for (const name of uses.keys()) {
    if (!definitions.has(name)) throw invalid('$', `unbound variable "${name}"`);
  }
  return { definitions, uses };
}

/** Fills in defaults and refuses values for unknown or unused variables and nulls where none are allowed. */
export function coerceVariables(
  prepared: PreparedVariables,
  given: Readonly<Record<string, unknown>>,
): Variables {
  const values = new Map<string, unknown>();
  for (const [name, definition] of prepared.definitions) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value !== undefined) values.set(name, provided(definition, value));
    else if (definition.defaultValue !== undefined) values.set(name, fromDefault(definition.defaultValue));
    else if (definition.type.kind === 'NonNullType') {
      throw invalid('$', `expecting a value for non-nullable variable: "${name}"`);
    }
  }
  const unexpected = Object.keys(given).filter((name) => !prepared.uses.has(name));
  if (unexpected.length > 0)
    throw invalid('$', `unexpected variables in variableValues: ${unexpected.join(', ')}`);
  return values;
}

/** The variables of one request as the planner sees them. */
export class VariableScope {
  readonly #prepared: PreparedVariables;
  readonly #values: Variables;

  constructor(prepared: PreparedVariables, values: Variables) {
    this.#prepared = prepared;
    this.#values = values;
  }

  /**
   * Opens a variable that stands where `location` is expected, after checking its declared type; other inputs pass.
   * An unset variable reads as null.
   */
  open(input: Input, location: LocationType, path: string): Input {
    if (input.kind !== 'literal' || input.node.kind !== 'Variable') return input;
    const name = input.node.name.value;
    this.check(name, location, path);
    return { kind: 'json', value: this.#values.get(name) ?? null, path: [name] };
  }

  /** Checks that a variable may stand where `location` is expected. */
  check(name: string, location: LocationType, path: string): void {
    const definition = this.#prepared.definitions.get(name);
    if (definition === undefined) throw invalid('$', `unbound variable "${name}"`);
    const hasDefault = definition.defaultValue !== undefined && definition.defaultValue.kind !== 'NullValue';
    if (mayStandAt(definition.type, location, hasDefault)) return;
    const declared = printType(definition.type);
    throw invalid(
      path,
      `variable '${name}' is declared as '${declared}', but used where '${location}' is expected`,
    );
  }
}

function provided(definition: VariableDefinitionNode, value: unknown): unknown {
  if (value !== null || definition.type.kind !== 'NonNullType') return value;
  throw invalid('$', `null value found for non-nullable type: "${printType(definition.type)}"`);
}

function fromDefault(node: ValueNode): unknown {
  return withoutEnums(plainValue(node));
}

/** A default is read like a sent value, where enum values are strings. */
function withoutEnums(value: unknown): unknown {
  if (value instanceof EnumText) return value.name;
  if (Array.isArray(value)) return value.map(withoutEnums);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== null) return value;
  return bareObject(Object.entries(value).map(([name, member]) => [name, withoutEnums(member)]));
}
