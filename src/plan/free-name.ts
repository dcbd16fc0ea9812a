/** The wanted name, with `_` appended until it is free. */
export function freeName(wanted: string, isTaken: (name: string) => boolean): string {
  let name = wanted;
  while (isTaken(name)) name = `${name}_`;
  return name;
}
