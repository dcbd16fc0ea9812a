/** Whether an `Accept` or `Accept-Encoding` header names this, which is in lower case, and not to refuse it with `q=0`. */
export function accepts(header: string | undefined, wanted: string): boolean {
  const ranges = header?.toLowerCase();
  if (ranges?.includes(wanted) !== true) return false;
  return ranges.split(',').some((range) => {
    const [named = '', ...parameters] = range.split(';').map((part) => part.trim());
    return named === wanted && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}
