import { keptIn } from '../../core/kept-in.ts';
import { invalid } from '../problem.ts';
import { hasMembers } from './input.ts';

/** Representations of one type that stand next to each other. */
export interface Run {
  readonly typename: string;
  readonly members: readonly Readonly<Record<string, unknown>>[];
}

/** Reads representations once for one request, which may have thousands of runs and fields that ask for the same ones. */
export class Representations {
  readonly #runs = new Map<unknown, readonly Run[]>();

  /**
   * Representations (what Apollo's gateway knows of some entities) as runs, in their order; refuses, in Hasura's words, one
   * that names no type.
   */
  runs(value: unknown, path: string): readonly Run[] {
    return keptIn(this.#runs, value, () => runsOf(value, path));
  }
}

function runsOf(value: unknown, path: string): readonly Run[] {
  const runs: { readonly typename: string; readonly members: Readonly<Record<string, unknown>>[] }[] = [];
  for (const representation of listOf(value)) {
    if (!hasMembers(representation))
      throw invalid(path, 'representations is expecting a list of objects only');
    const { __typename: typename } = representation;
    if (typename === undefined) throw invalid(path, '__typename key not found');
    if (typeof typename !== 'string') throw invalid(path, '__typename can only be a string value');
    const last = runs.at(-1);
    if (last?.typename === typename) last.members.push(representation);
    else runs.push({ typename, members: [representation] });
  }
  return runs;
}

/** One member of all representations of a run. */
export function valuesIn({ members }: Run, name: string, path: string): readonly unknown[] {
  return members.map((representation) => {
    if (!Object.hasOwn(representation, name)) throw invalid(path, `cannot find ${name} in _Any type`);
    return representation[name];
  });
}

/** The types of a value's runs in their order, as a text: values with the same text can share a plan. */
export function orderOfTypes(value: unknown): string {
  const names = listOf(value).map((one) => JSON.stringify(hasMembers(one) ? [one['__typename']] : one) ?? '');
  return names.filter((name, index) => name !== names[index - 1]).join(',');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}
