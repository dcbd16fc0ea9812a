/** The name, with a mark behind it for as long as somebody has it. */
export function freeName(wanted: string, isTaken: (name: string) => boolean): string {
  let name = wanted;
  while (isTaken(name)) name = `${name}_`;
  return name;
}
