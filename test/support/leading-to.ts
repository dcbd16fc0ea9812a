/** What the metadata says of a relationship that leads to one row of another database's table. */
export function leadingTo(
  source: string,
  table: unknown,
  field_mapping: Readonly<Record<string, string>>,
): object {
  return { to_source: { relationship_type: 'object', source, table, field_mapping } };
}
