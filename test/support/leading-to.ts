type Mapping = Readonly<Record<string, string>>;

/** The table's database where it is not pg2, and nearjoin's own options. */
interface More {
  readonly source?: string;
  readonly nearjoin?: object;
}

/** A relationship, as the metadata has it, to one row of another database's table. */
export function toOne(name: string, table: string, on: Mapping, more: More = {}): object {
  return { name, definition: definition('object', table, on, more) };
}

/** A relationship to any number of rows of another database's table. */
export function toMany(name: string, table: string, on: Mapping, more: More = {}): object {
  return { name, definition: definition('array', table, on, more) };
}

/** The same as `toOne` without the name, for commands of the metadata API. */
export function leadingTo(source: string, table: unknown, on: Mapping): object {
  return definition('object', table, on, { source });
}

function definition(relationship_type: string, table: unknown, field_mapping: Mapping, more: More): object {
  return { to_source: { relationship_type, source: 'pg2', table, field_mapping, ...more } };
}
