import { ENDPOINT_METHODS, type EndpointMethod } from '../../metadata/model/rest-endpoints.ts';

/** Below it are the paths of all endpoints. */
export const REST_PREFIX = '/api/rest/';

/** A variable of an endpoint's operation, as far as texts are read for it. */
export interface EndpointVariable {
  readonly name: string;
  /** The type's name, or that of a list's elements. */
  readonly type: string;
  readonly list: boolean;
  readonly nullable: boolean;
}

/** A path under `/api/rest/` with the operation that it answers. */
export interface Endpoint {
  readonly name: string;
  readonly url: string;
  /** The url's segments; those that begin with a colon are variables. */
  readonly segments: readonly string[];
  readonly methods: readonly EndpointMethod[];
  readonly comment: string | null;
  readonly query: string;
  readonly variables: readonly EndpointVariable[];
}

/** What a request's path and method lead to; `texts` are the path's variables. */
export type EndpointMatch =
  | { readonly kind: 'found'; readonly endpoint: Endpoint; readonly texts: ReadonlyMap<string, string> }
  | { readonly kind: 'other-methods'; readonly allowed: readonly EndpointMethod[] }
  | { readonly kind: 'several' | 'none' };

/** Whether a segment of an endpoint's url stands for a variable. */
export function isVariable(segment: string): boolean {
  return segment.startsWith(':');
}

/** Finds the endpoint of a path's decoded segments. */
export function matchEndpoint(
  endpoints: readonly Endpoint[],
  method: string,
  path: readonly string[],
): EndpointMatch {
  const fitting = endpoints.filter(
    ({ segments }) =>
      segments.length === path.length &&
      segments.every((segment, index) => isVariable(segment) || segment === path[index]),
  );
  const [endpoint, ...others] = fitting.filter(({ methods }) => methods.some((each) => each === method));
  if (others.length > 0) return { kind: 'several' };
  if (endpoint !== undefined) return { kind: 'found', endpoint, texts: textsOf(endpoint, path) };
  if (fitting.length === 0) return { kind: 'none' };
  const allowed = ENDPOINT_METHODS.filter((each) => fitting.some(({ methods }) => methods.includes(each)));
  return { kind: 'other-methods', allowed };
}

function textsOf({ segments }: Endpoint, path: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    segments.flatMap((segment, index) =>
      isVariable(segment) ? [[segment.slice(1), path[index] ?? ''] as const] : [],
    ),
  );
}

/** Groups of endpoints that one request can mean more than one of, directly or through others; each in the order of names. */
export function ambiguousEndpoints(endpoints: readonly Endpoint[]): readonly (readonly Endpoint[])[] {
  const open = new Set(endpoints.toSorted(byName));
  const groups: (readonly Endpoint[])[] = [];
  for (const first of open) {
    open.delete(first);
    const group = new Set([first]);
    // The set grows during the loop, which then comes to what was added.
    for (const one of group) {
      for (const other of open) {
        if (!overlap(one, other)) continue;
        open.delete(other);
        group.add(other);
      }
    }
    if (group.size > 1) groups.push([...group].toSorted(byName));
  }
  return groups;
}

function byName(a: Endpoint, b: Endpoint): number {
  return a.name < b.name ? -1 : 1;
}

function overlap(a: Endpoint, b: Endpoint): boolean {
  return (
    a.segments.length === b.segments.length &&
    a.methods.some((method) => b.methods.includes(method)) &&
    a.segments.every((segment, index) => {
      const other = b.segments[index] ?? '';
      return segment === other || isVariable(segment) || isVariable(other);
    })
  );
}
