import type { TableRef } from '../../core/names.ts';
import type { SourceMetadata, TableConfiguration } from '../../metadata/model.ts';
import type { Namespace, RootName, Table } from '../catalog.ts';
import { PREDICATE_FUNCTIONS } from '../conditions/predicate-functions.ts';
import { type BaseName, GRAPHQL_DEFAULT, HASURA_DEFAULT, type Spelling } from '../part/spelling.ts';
import { Unresolvable } from './problems.ts';

/** Whether GraphQL allows the name: names that begin with `__` are its own. */
export function isGraphqlName(name: string): boolean {
  return /^(?!__)[_A-Za-z][_0-9A-Za-z]*$/.test(name);
}

/** Refuses a name that metadata gives and GraphQL does not allow. */
export function requireGraphqlName(name: string): void {
  if (!isGraphqlName(name)) throw new Unresolvable(`"${name}" is not a valid GraphQL identifier`);
}

/** How names are spelled, as metadata and settings say it. */
export type NamingConvention = 'hasura-default' | 'graphql-default';

/** How a source changes the names of its root fields and types. */
export interface SourceNames {
  readonly spelling: Spelling;
  readonly namespace: Namespace;
  readonly rootField: (name: string) => string;
  readonly type: (name: string) => string;
}

/** How the source's customization changes names. */
export function sourceNames(source: SourceMetadata, initial: NamingConvention): SourceNames {
  const { root_fields: root, type_names: types, naming_convention: convention } = source.customization ?? {};
  const spelling = (convention ?? initial) === 'graphql-default' ? GRAPHQL_DEFAULT : HASURA_DEFAULT;
  const type = (name: string): string => spelling.wrap(types?.prefix ?? '', name, types?.suffix ?? '');
  const namespace = root?.namespace ?? null;
  return {
    spelling,
    namespace: {
      namespace,
      namespaceType: namespace === null ? null : type(`${namespace}_query`),
      subscriptionNamespaceType: namespace === null ? null : type(`${namespace}_subscription`),
    },
    rootField: (name) => spelling.wrap(root?.prefix ?? '', name, root?.suffix ?? ''),
    type,
  };
}

/** The name a table's root fields and types are made from. */
export function baseName(table: TableRef, configuration: TableConfiguration | undefined): BaseName {
  const custom = configuration?.custom_name ?? null;
  return custom === null ? { kind: 'own', ...table } : { kind: 'custom', name: custom };
}

/** A text of the metadata that may replace a default: absent keeps the default, empty removes it. */
export function descriptionOf(override: string | null | undefined, fallback: string | null): string | null {
  if (override === null || override === undefined) return fallback;
  return override === '' ? null : override;
}

/** A member of a record that came from outside; never an inherited one such as `constructor`. */
export function own<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}

type RootOverride =
  | string
  | { readonly name?: string | null | undefined; readonly comment?: string | null | undefined }
  | null
  | undefined;

/** The root fields of a table. `printed` is the table's name for people. */
export function rootNames(
  table: BaseName,
  printed: string,
  configuration: TableConfiguration | undefined,
  { spelling, rootField }: SourceNames,
): Table['root'] {
  const custom = configuration?.custom_root_fields ?? {};
  const base = spelling.rootBase(table);
  const root = (override: RootOverride, ending: string, text: string): RootName => {
    const changed = typeof override === 'string' ? { name: override } : override;
    const name = changed?.name ?? `${base}${ending === '' ? '' : spelling.rootEnding(ending)}`;
    return { name: rootField(name), description: descriptionOf(changed?.comment, text) };
  };
  const data = `fetch data from the table: "${printed}"`;
  return {
    select: root(custom.select, '', data),
    selectByPk: root(custom.select_by_pk, '_by_pk', `${data} using primary key columns`),
    selectAggregate: root(
      custom.select_aggregate,
      '_aggregate',
      `fetch aggregated fields from the table: "${printed}"`,
    ),
    selectStream: root(
      custom.select_stream,
      '_stream',
      `fetch data from the table in a streaming manner: "${printed}"`,
    ),
  };
}

const AGGREGATES = [
  'avg',
  'max',
  'min',
  'stddev',
  'stddev_pop',
  'stddev_samp',
  'sum',
  'var_pop',
  'var_samp',
  'variance',
];

/** Endings of the GraphQL types made for every table; the empty ending is its own type. */
const TYPE_ENDINGS: readonly string[] = [
  '',
  '_aggregate',
  '_aggregate_fields',
  '_aggregate_order_by',
  '_aggregate_bool_exp',
  '_bool_exp',
  '_order_by',
  '_select_column',
  '_stream_cursor_input',
  '_stream_cursor_value_input',
  ...AGGREGATES.flatMap((name) => [`_${name}_fields`, `_${name}_order_by`]),
];

/** Every GraphQL type name the table may claim: all that a schema makes for it. */
export function typeNamesOf({ typeName, enumValues, derivedType, spelling }: Table): readonly string[] {
  const ofPredicates = PREDICATE_FUNCTIONS.flatMap(({ name, takes }) => {
    const ending = `_aggregate_bool_exp_${name}`;
    if (takes === 'columns') return [ending];
    const columns = `_select_column_${typeName}${ending}_arguments_columns`;
    return takes === 'pair' ? [ending, columns, `${ending}_arguments`] : [ending, columns];
  });
  const values = derivedType('_enum');
  const ofValues = enumValues === null ? [] : [values, spelling.type(`${values}_comparison_exp`)];
  return [...[...TYPE_ENDINGS, ...ofPredicates].map(derivedType), ...ofValues];
}
