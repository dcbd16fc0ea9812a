import { must } from '../../core/assert.ts';
import type { InconsistentObject } from '../../core/inconsistent-object.ts';
import { printTable, sameTable, tableKey } from '../../core/names.ts';
import type { SourceMetadata, TableConfiguration, TableMetadata } from '../../metadata/model.ts';
import { withColumns } from '../call/with-columns.ts';
import type { Column, Table } from '../catalog.ts';
import { type FoundTable, type Introspection, isOfBytes } from '../introspection.ts';
import { HASURA_DEFAULT } from '../part/spelling.ts';
import { enumValuesOf } from './enums.ts';
import {
  baseName,
  descriptionOf,
  isGraphqlName,
  own,
  requireGraphqlName,
  rootNames,
  type SourceNames,
} from './names.ts';
import { attempt, Unresolvable } from './problems.ts';

/** A tracked table with its columns and names, null when something is wrong with it; relationships and permissions come later. */
export function resolveTracked(
  source: SourceMetadata['name'],
  tracked: TableMetadata,
  scope: TableScope,
  problems: InconsistentObject[],
): Table | null {
  const subject = { kind: 'table', source, table: tracked.table } as const;
  return attempt(subject, problems, () => resolveTable(source, tracked, scope));
}

/** What resolving a table takes beside its metadata. */
export interface TableScope {
  readonly found: Introspection;
  readonly names: SourceNames;
  /** The locales of all databases. */
  readonly locales: ReadonlySet<string>;
}

/** How the locale of a text differs from those of other databases; `own` is that of its collation, where it has one. */
export function ownLocaleIn({ found, locales }: TableScope, own?: string): Pick<Column, 'ownLocale'> {
  const locale = own ?? found.server.locale;
  const others = [...locales].filter((other) => other !== locale);
  if (others.some((other) => isOfBytes(other) !== isOfBytes(locale))) return { ownLocale: 'characters' };
  return others.length > 0 ? { ownLocale: 'letters' } : {};
}

function resolveTable(source: string, tracked: TableMetadata, scope: TableScope): Table {
  const { found, names } = scope;
  const { table: ref, configuration } = tracked;
  const printed = printTable(ref);
  const real = found.tables.get(tableKey(ref));
  if (real === undefined) throw new Unresolvable(`no such table/view exists in source: "${printed}"`);
  const base = baseName(ref, configuration);
  const { spelling } = names;
  const derivedType = (ending: string): string => names.type(spelling.derivedType(base, ending));
  if (!isGraphqlName(spelling.rootBase(base))) {
    throw new Unresolvable(
      `cannot include "${printed}" in the GraphQL schema because it is not a valid GraphQL identifier: give it a custom_name`,
    );
  }
  const columns = resolveColumns(real, configuration, scope);
  const columnByName = new Map(columns.map((column) => [column.name, column]));
  return {
    source,
    ref: real.ref,
    spelling,
    typeName: names.type(spelling.typeBase(base)),
    derivedType,
    stream: {
      ordering: names.type(spelling.type('cursor_ordering')),
      table: HASURA_DEFAULT.rootBase(base),
    },
    ...ownLocaleIn(scope),
    description: descriptionOf(
      configuration?.comment,
      real.comment ?? `columns and relationships of "${printed}"`,
    ),
    root: checkedRoots(rootNames(base, printed, configuration, names)),
    columns,
    columnByField: byField(columns),
    columnByName,
    primaryKey: (real.keys.find((key) => key.primary)?.columns ?? []).map((name) =>
      must(columnByName.get(name), 'column of a primary key'),
    ),
    uniqueKeys: real.keys.map((key) => key.columns),
    indexes: real.indexes,
    relationships: new Map(),
    computedFields: new Map(),
    permissions: new Map(),
    enumValues: tracked.is_enum === true ? enumValuesOf(real, found, spelling) : null,
  };
}

function resolveColumns(
  real: FoundTable,
  configuration: TableConfiguration | undefined,
  scope: TableScope,
): readonly Column[] {
  const configured = [configuration?.column_config, configuration?.custom_column_names];
  const unknown = configured
    .flatMap((columns) => Object.keys(columns ?? {}))
    .find((name) => !real.columns.some((column) => column.name === name));
  if (unknown !== undefined)
    throw new Unresolvable(`configuration was given for the column "${unknown}", but no such column exists`);
  return real.columns.map((column) => {
    const config = own(configuration?.column_config, column.name);
    const given = config?.custom_name ?? own(configuration?.custom_column_names, column.name);
    if (given !== undefined) requireGraphqlName(given);
    return {
      name: column.name,
      field: given ?? scope.names.spelling.field(column.name),
      type: column.type,
      notNull: column.notNull,
      generated: column.generated,
      description: descriptionOf(config?.comment, column.comment),
      enumTable: null,
      upperCased: false,
      ...(column.loose === true ? { loose: true as const } : {}),
      ...ownLocaleIn(scope, column.locale),
    };
  });
}

/** A column whose own name GraphQL does not allow is left out of the schema, as in Hasura; joins may still use it. */
function byField(columns: readonly Column[]): ReadonlyMap<string, Column> {
  const fields = new Map<string, Column>();
  for (const column of columns) {
    if (!isGraphqlName(column.field)) continue;
    const other = fields.get(column.field);
    if (other !== undefined) {
      throw new Unresolvable(
        `the definitions of columns "${other.name}" and "${column.name}" are in conflict: ` +
          `they are mapped to the same field name, "${column.field}"`,
      );
    }
    fields.set(column.field, column);
  }
  return fields;
}

function checkedRoots(root: Table['root']): Table['root'] {
  const names = Object.values(root).map(({ name }) => name);
  for (const [place, name] of names.entries()) {
    requireGraphqlName(name);
    if (names.indexOf(name) < place)
      throw new Unresolvable(`two root fields of the table have the name "${name}"`);
  }
  return root;
}

/** The table, its columns marked that are foreign keys into an enum table. */
export function withEnumColumns(table: Table, enums: readonly Table[], found: Introspection): Table {
  const keys = found.tables.get(tableKey(table.ref))?.foreignKeys ?? [];
  const enumOf = (column: Column): Table | undefined => {
    const key = keys.find(({ columns }) => columns.length === 1 && columns[0] === column.name);
    return enums.find((candidate) => key !== undefined && sameTable(candidate.ref, key.references));
  };
  return withColumns(table, (column) => {
    const target = enumOf(column);
    return target === undefined ? column : enumColumn(column, target);
  }).table;
}

/** The database may hold the values in any case; the source's naming convention may show them in upper case. */
function enumColumn(column: Column, { ref, spelling }: Table): Column {
  return { ...column, enumTable: ref, upperCased: spelling.enumValue('a') === 'A' };
}
