/** Whether an `Accept` or `Accept-Encoding` header names this, and not to refuse it with `q=0`. */
export function accepts(header: string | undefined, wanted: string): boolean {
  if (header?.includes(wanted) !== true) return false;
  return header.split(',').some((range) => {
    const [named = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    return named === wanted && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}
