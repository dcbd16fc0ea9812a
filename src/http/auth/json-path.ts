/** The steps of a JSON path: member names and list indexes. */
export type JsonPath = readonly (string | number)[];

const STEP = /\.?\[(\d+)\]|\.?\[(?:'([^']*)'|"([^"]*)")\]|\.?([^.[\]'"]+)/y;

/** Reads `$.a.b[0]`, `$['https://x/claims'].user` and the like; null when the text is no such path. */
export function parseJsonPath(text: string): JsonPath | null {
  const body = text.trim().replace(/^\$/, '');
  const steps: (string | number)[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < body.length) {
    const match = STEP.exec(body);
    if (match === null) return null;
    const [, index, single, double, plain] = match;
    steps.push(index === undefined ? (single ?? double ?? plain ?? '') : Number(index));
  }
  return steps;
}

/** Follows a path into a parsed JSON value; undefined when it leads nowhere. */
export function atJsonPath(value: unknown, path: JsonPath): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined;
    current = Object.entries(current).find(([name]) => name === String(step))?.[1];
  }
  return current;
}
