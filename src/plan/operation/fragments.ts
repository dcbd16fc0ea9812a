import {
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import type { Budget } from '../budget.ts';
import { invalid, quotedList, unparsable } from '../problem.ts';
import { checkDirectives } from './known-directives.ts';

/** Fragments by name. */
export type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;

/** Those of a document. */
export function fragmentsOf({ definitions }: DocumentNode): Fragments {
  const fragments = definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  return new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
}

/** The same after checking that those the operation uses exist and do not contain themselves. */
export function checkedFragments(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  budget: Budget,
): Fragments {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.FRAGMENT_DEFINITION) continue;
    const name = definition.name.value;
    if (fragments.has(name)) throw unparsable('$', `multiple definitions for fragment "${name}"`);
    fragments.set(name, definition);
  }
  const walk = { fragments, budget, done: new Set<string>() };
  checkSelections(walk, operation.selectionSet, { path: '$', depth: 0, open: [] });
  return fragments;
}

interface Walk {
  readonly fragments: Fragments;
  readonly budget: Budget;
  readonly done: Set<string>;
}

interface Spot {
  readonly path: string;
  readonly depth: number;
  /** Fragments we are inside of. */
  readonly open: readonly string[];
}

/** A level of the answer may take a field, an inline fragment and a spread or two. */
const SYNTAX_LEVELS = 4;

/** Every fragment is read once, so the work is linear in the document. */
function checkSelections(walk: Walk, set: SelectionSetNode, { path, depth, open }: Spot): void {
  walk.budget.descend(Math.ceil(depth / SYNTAX_LEVELS), path);
  const here = `${path}.selectionSet`;
  for (const selection of set.selections) {
    switch (selection.kind) {
      case Kind.FIELD:
        if (selection.selectionSet !== undefined) {
          const field = { path: `${here}.${selection.name.value}`, depth: depth + 1, open };
          checkSelections(walk, selection.selectionSet, field);
        }
        break;
      case Kind.INLINE_FRAGMENT:
        checkSelections(walk, selection.selectionSet, { path, depth: depth + 1, open });
        break;
      default:
        checkSpread(walk, selection.name.value, { path: here, depth: depth + 1, open });
    }
  }
}

function checkSpread(walk: Walk, name: string, { path, depth, open }: Spot): void {
  if (walk.done.has(name)) return;
  const opened = open.indexOf(name);
  if (opened >= 0) {
    const via = [...open.slice(opened + 1), name];
    throw invalid(path, `cannot spread fragment '${name}' within itself via ${quotedList(via)}`);
  }
  const fragment = walk.fragments.get(name);
  if (fragment === undefined) throw invalid(path, `reference to undefined fragment "${name}"`);
  checkDirectives(fragment.directives, 'a fragment definition', `${path}.${name}`);
  checkSelections(walk, fragment.selectionSet, { path: `${path}.${name}`, depth, open: [...open, name] });
  walk.done.add(name);
}
