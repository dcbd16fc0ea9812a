import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  visit,
} from 'graphql';
import { NearjoinError } from '../core/errors.ts';
import { type JsonText, jsonText } from '../core/json/json-text.ts';
import type { Steps } from '../core/waiting/slices.ts';
import { type Fragments, fragmentsOf } from '../plan/operation/fragments.ts';
import { IntrospectionBudget } from './introspection-budget.ts';
import { checkSelections } from './introspection-check.ts';
import { writeIntrospection } from './introspection-writer.ts';

/** The operation whose introspection fields are wanted. */
export interface IntrospectionRequest {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
}

const META_FIELDS: ReadonlySet<string> = new Set(['__schema', '__type']);

/** Answers the operation's `__schema` and `__type` root fields, by response key; its other fields are left out. */
export function* executeIntrospection(
  schema: GraphQLSchema,
  request: IntrospectionRequest,
): Steps<ReadonlyMap<string, JsonText>> {
  const root = schema.getQueryType();
  if (root === null || root === undefined) return new Map();
  const fragments = fragmentsOf(request.document);
  const budget = new IntrospectionBudget(schema);
  const selectionSet = metaSelections(request.operation.selectionSet, fragments, budget);
  checkSelections({ schema, fragments, budget }, selectionSet);
  const variables = coerced(schema, request, variablesIn(selectionSet, fragments));
  try {
    const texts = yield* writeIntrospection({ schema, fragments, variables }, root, selectionSet);
    return new Map([...texts].map(([key, text]) => [key, jsonText(text)]));
  } catch (error) {
    // An argument or a directive whose value is none.
    if (error instanceof GraphQLError) throw new NearjoinError('validation-failed', error.message);
    throw error;
  }
}

/** The values of the variables that introspection uses. */
function coerced(
  schema: GraphQLSchema,
  { operation, variables }: IntrospectionRequest,
  used: ReadonlySet<string>,
): Readonly<Record<string, unknown>> {
  const declared = operation.variableDefinitions ?? [];
  const definitions = declared.filter(({ variable }) => used.has(variable.name.value));
  const values = getVariableValues(schema, definitions, variables);
  const [error] = values.errors ?? [];
  if (error !== undefined) throw new NearjoinError('validation-failed', error.message);
  return values.coerced ?? {};
}

/** Root selections reduced to the meta fields; fragments on the root are opened, their directives kept. */
function metaSelections(
  from: SelectionSetNode,
  fragments: Fragments,
  budget: IntrospectionBudget,
): SelectionSetNode {
  const selections = from.selections.flatMap((selection): SelectionNode[] => {
    budget.spend(1, '$.selectionSet');
    if (selection.kind === Kind.FIELD) return META_FIELDS.has(selection.name.value) ? [selection] : [];
    const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
    if (inner === undefined) return [];
    const selectionSet = metaSelections(inner.selectionSet, fragments, budget);
    const directives = selection.directives ?? [];
    return selectionSet.selections.length === 0
      ? []
      : [{ kind: Kind.INLINE_FRAGMENT, directives, selectionSet }];
  });
  return { kind: Kind.SELECTION_SET, selections };
}

function variablesIn(selectionSet: SelectionSetNode, fragments: Fragments): ReadonlySet<string> {
  const names = new Set<string>();
  const opened = new Set<string>();
  const collect = (node: SelectionSetNode): void => {
    visit(node, {
      Variable: ({ name }) => void names.add(name.value),
      FragmentSpread: ({ name }) => {
        const fragment = fragments.get(name.value);
        if (fragment === undefined || opened.has(name.value)) return;
        opened.add(name.value);
        collect(fragment.selectionSet);
      },
    });
  };
  collect(selectionSet);
  return names;
}
