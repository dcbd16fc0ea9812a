/** Members that may be left out. */
const OPTIONAL: ReadonlySet<string> = new Set([
  'where',
  'filter',
  'directive',
  'fragment',
  'limit',
  'offset',
  'path',
  'called',
]);
/** Conditions: each may become one that always holds, or one of its own parts. */
const CONDITIONS: ReadonlySet<string> = new Set([
  'compare',
  'null',
  'and',
  'or',
  'not',
  'related',
  'columns',
  'exists',
  'aggregate',
]);
/** Lists whose elements hang together with others. */
const FIXED: ReadonlySet<string> = new Set(['columns', 'key', 'on', 'row']);

/** What a value becomes when one thing is left out of it, the largest things first. Not all of it makes sense. */
function* smaller(value: unknown, name = ''): Generator<unknown> {
  if (Array.isArray(value)) yield* smallerList(value, name);
  else if (typeof value === 'object' && value !== null) yield* smallerObject(value);
}

function* smallerList(list: readonly unknown[], name: string): Generator<unknown> {
  if (!FIXED.has(name)) yield* shorter(list);
  for (const [i, element] of list.entries()) {
    if (Array.isArray(element)) continue;
    for (const less of smaller(element)) yield list.with(i, less);
  }
}

function* smallerObject(value: object): Generator<unknown> {
  if ('kind' in value && CONDITIONS.has(String(value.kind))) yield* smallerCondition(value);
  const members = Object.entries(value);
  for (const [key, member] of members) {
    if (OPTIONAL.has(key) && member !== null) yield { ...value, [key]: null };
    if (member === true) yield { ...value, [key]: false };
  }
  for (const [key, member] of members) {
    for (const less of smaller(member, key)) yield { ...value, [key]: less };
  }
}

function* smallerCondition(value: object): Generator<unknown> {
  yield { kind: 'true' };
  if ('of' in value) yield* Array.isArray(value.of) ? value.of : [value.of];
}

function* shorter(list: readonly unknown[]): Generator<readonly unknown[]> {
  if (list.length > 3) {
    const half = Math.floor(list.length / 2);
    yield list.slice(half);
    yield list.slice(0, half);
  }
  for (let i = 0; i < list.length; i += 1) yield list.toSpliced(i, 1);
}

/** The smallest value found in time that still fails; what cannot even be tried does not fail. */
export async function shrink<T>(
  value: T,
  stillFails: (candidate: T) => Promise<boolean>,
  timeMs: number,
): Promise<T> {
  const end = performance.now() + timeMs;
  let smallest = value;
  for (let found = true; found; ) {
    found = false;
    for (const candidate of smaller(smallest)) {
      if (performance.now() > end) return smallest;
      const fails = await stillFails(candidate as T).catch(() => false);
      if (!fails) continue;
      smallest = candidate as T;
      found = true;
      break;
    }
  }
  return smallest;
}
