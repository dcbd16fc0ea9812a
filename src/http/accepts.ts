/** Whether an `Accept` or `Accept-Encoding` header names `wanted` (in lower case), other than to refuse it with `q=0`. */
export function accepts(header: string | undefined, wanted: string): boolean {
  return weightIn(header, wanted) > 0;
}

/** How much a header wants what it names, from 0 to 1; 0 when it does not name it. */
export function weightIn(header: string | undefined, wanted: string): number {
  const ranges = header?.toLowerCase();
  if (ranges?.includes(wanted) !== true) return 0;
  const weights = ranges.split(',').map((range) => {
    const [named = '', ...parameters] = range.split(';').map((part) => part.trim());
    if (named !== wanted) return 0;
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    return weight === undefined ? 1 : Number(weight.slice(2)) || 0;
  });
  return Math.max(...weights);
}
