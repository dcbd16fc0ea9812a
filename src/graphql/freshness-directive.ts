import type { ArgumentNode, DirectiveNode, OperationDefinitionNode, ValueNode } from 'graphql';
import type { Fallback } from '../catalog/catalog.ts';
import { NearjoinError } from '../core/errors.ts';

/** What an operation's `@freshness` directive asks for; null members leave the headers' word. */
export interface FreshnessDirective {
  readonly maxStalenessMs: number | null;
  readonly fallback: Fallback | null;
  readonly token: string | null;
}

const NAME = 'freshness';
const FALLBACKS: readonly Fallback[] = ['live', 'wait', 'stale', 'error'];
const MAX_INT = 2_147_483_647;

/** The directive's node, when the operation has one; more than one is Hasura's duplicate error. */
export function freshnessNode(operation: OperationDefinitionNode): DirectiveNode | null {
  const found = (operation.directives ?? []).filter((directive) => directive.name.value === NAME);
  if (found.length > 1) throw invalid(`the following directives are used more than once: ['${NAME}']`);
  return found[0] ?? null;
}

/** Reads `@freshness(max_staleness_ms: Int, fallback: live|wait|stale|error, token: String)`. */
export function readFreshness(
  node: DirectiveNode,
  variables: ReadonlyMap<string, unknown>,
): FreshnessDirective {
  let maxStalenessMs: number | null = null;
  let fallback: Fallback | null = null;
  let token: string | null = null;
  for (const argument of node.arguments ?? []) {
    const value = valueOf(argument.value, variables);
    switch (argument.name.value) {
      case 'max_staleness_ms':
        maxStalenessMs = readBound(value, argument);
        break;
      case 'fallback':
        fallback = readFallback(value, argument);
        break;
      case 'token':
        token = readToken(value, argument);
        break;
      default:
        throw invalid(`'${NAME}' has no argument named '${argument.name.value}'`);
    }
  }
  return { maxStalenessMs, fallback, token };
}

function readBound(value: unknown, argument: ArgumentNode): number | null {
  if (value === null || (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_INT)) {
    return value === null ? null : Number(value);
  }
  throw invalid("expected a non-negative 32-bit integer for type 'Int'", argument);
}

function readFallback(value: unknown, argument: ArgumentNode): Fallback | null {
  if (value === null) return null;
  const found = FALLBACKS.find((fallback) => fallback === value);
  if (found !== undefined) return found;
  const words = FALLBACKS.map((fallback) => `'${fallback}'`).join(', ');
  throw invalid(`expected one of the values [${words}] for type 'freshness_fallback'`, argument);
}

function readToken(value: unknown, argument: ArgumentNode): string | null {
  if (value === null || typeof value === 'string') return value;
  throw invalid("expected a string for type 'String'", argument);
}

function valueOf(node: ValueNode, variables: ReadonlyMap<string, unknown>): unknown {
  switch (node.kind) {
    case 'Variable':
      return variables.get(node.name.value) ?? null;
    case 'IntValue':
      return Number(node.value);
    case 'NullValue':
      return null;
    case 'StringValue':
    case 'EnumValue':
      return node.value;
    default:
      return undefined;
  }
}

function invalid(message: string, argument?: ArgumentNode): NearjoinError {
  const path = argument === undefined ? '$' : `$.directives.${NAME}.${argument.name.value}`;
  return new NearjoinError('validation-failed', message, { path });
}
