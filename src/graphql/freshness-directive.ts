import type { DirectiveNode, OperationDefinitionNode } from 'graphql';
import { FALLBACKS, type Fallback } from '../core/fallback.ts';
import type { VariableScope } from '../plan/operation/variables.ts';
import { invalid, quotedList } from '../plan/problem.ts';
import { countOf, stringOf } from '../plan/value/built-in.ts';
import { asEnums, encodeEnum } from '../plan/value/encode.ts';
import { type Input, isNull, literal, valueOf } from '../plan/value/input.ts';

/** What an operation's `@freshness` directive asks for; where a member is null the headers decide. */
export interface FreshnessDirective {
  readonly maxStalenessMs: number | null;
  readonly fallback: Fallback | null;
  readonly token: string | null;
}

const NAME = 'freshness';
const FALLBACK_TYPE = { name: 'freshness_fallback', values: FALLBACKS };

/** The path of one of the directive's arguments in an error. */
export function freshnessPath(argument: string): string {
  return `$.${NAME}.args.${argument}`;
}

/** The directive's node, when the operation has one; more than one is Hasura's duplicate error. */
export function freshnessNode(operation: OperationDefinitionNode): DirectiveNode | null {
  const found = (operation.directives ?? []).filter((directive) => directive.name.value === NAME);
  if (found.length > 1)
    throw invalid('$', `the following directives are used more than once: ${quotedList([NAME])}`);
  return found[0] ?? null;
}

/** Reads `@freshness(max_staleness_ms: Int, fallback: live|wait|stale|error, token: String)`. */
export function readFreshness(node: DirectiveNode, variables: VariableScope): FreshnessDirective {
  let read: FreshnessDirective = { maxStalenessMs: null, fallback: null, token: null };
  for (const { name, value } of node.arguments ?? []) {
    const path = freshnessPath(name.value);
    const open = (type: string): Input => variables.open(literal(value), type, path);
    switch (name.value) {
      case 'max_staleness_ms':
        read = { ...read, maxStalenessMs: readBound(open('Int'), path) };
        break;
      case 'fallback':
        read = { ...read, fallback: readFallback(open(FALLBACK_TYPE.name), path) };
        break;
      default:
        // Only `token` is left: other arguments were refused when the operation was planned.
        read = { ...read, token: readToken(open('String'), path) };
    }
  }
  return read;
}

function readBound(input: Input, path: string): number | null {
  return isNull(input) ? null : countOf(valueOf(input), path);
}

function readFallback(input: Input, path: string): Fallback | null {
  if (isNull(input)) return null;
  const value = input.kind === 'json' ? asEnums(input.value) : valueOf(input);
  const name = encodeEnum(FALLBACK_TYPE, value, path);
  return FALLBACKS.find((fallback) => fallback === name) ?? null;
}

function readToken(input: Input, path: string): string | null {
  return isNull(input) ? null : stringOf(valueOf(input), path);
}
