import type { InconsistentObject } from '../../../core/inconsistent-object.ts';
import { printTable, queryRef, type SourceName } from '../../../core/names.ts';
import type { LogicalField, NativeQueryMetadata } from '../../../metadata/model/native-queries.ts';
import type { SourceMetadata } from '../../../metadata/model.ts';
import { objectName } from '../../../metadata/object/objects.ts';
import { codeParts, numberedParameter, UNCLOSED } from '../../../metadata/object/query-code.ts';
import { argumentType } from '../../call/function-arguments.ts';
import type { Callable, Column, GivenSlot, RootName, Table, TextPart } from '../../catalog.ts';
import { modelOf, probeOf, valuesIn } from '../../introspect/native-text.ts';
import { descriptionOf, isGraphqlName, requireGraphqlName } from '../names.ts';
import { attempt, Unresolvable } from '../problems.ts';
import { ownLocaleIn, type TableScope } from '../tables.ts';

/** A native query as a table that has no relationships and permissions yet, with the names it needs in the schema. */
export interface NamedQuery {
  readonly source: SourceName;
  readonly entry: NativeQueryMetadata;
  readonly table: Table & Required<Pick<Table, 'query'>>;
  readonly root: RootName;
  /** The types of its logical model and their owner; every query that returns the model has the same. */
  readonly model: { readonly owner: string; readonly types: readonly string[] };
}

/** A native query with its columns and arguments as its database knows them, null when something is wrong with it. */
export function resolveQuery(
  source: SourceMetadata,
  entry: NativeQueryMetadata,
  scope: TableScope,
  problems: InconsistentObject[],
): NamedQuery | null {
  return attempt({ kind: 'native_query', source: source.name, entry }, problems, () => {
    const { root_field_name: name } = entry;
    requireGraphqlName(name);
    const found = modelOf(source, entry);
    if (found === null) throw new Unresolvable(`The logical model ${returnedName(entry)} could not be found`);
    const { ref, fields, description } = found;
    const query = callable(entry, scope);
    checkRelated(entry, fields);
    const columns = checkedColumns(entry, fields, scope);
    const root = { name, description: descriptionOf(entry.description, null) };
    const shape = { columns, model: ref.name, description, root };
    const table = tableOf(source.name, entry, shape, scope);
    const types = ['_bool_exp', '_order_by', '_select_column'].map(table.derivedType);
    return {
      source: source.name,
      entry,
      root,
      table: { ...table, query: { ...query, model: ref.name } },
      model: { owner: objectName(ref), types: hasOwnType(entry) ? types : [table.typeName, ...types] },
    };
  });
}

function returnedName({ root_field_name: name, returns }: NativeQueryMetadata): string {
  return typeof returns === 'string' ? returns : name;
}

/** As in Hasura, the type of the rows is named after the query if they have relationships, else after their model. */
export function hasOwnType(entry: NativeQueryMetadata): boolean {
  const { object_relationships: one, array_relationships: many, remote_relationships: remote } = entry;
  return [one, many, remote].some((list) => list !== undefined && list.length > 0);
}

function callable(entry: NativeQueryMetadata, { found }: TableScope): Callable {
  const declared = Object.entries(entry.arguments ?? {});
  const names = declared.map(([name]) => name);
  const slots = declared.map(([name, { type: typeName, nullable, description }]): GivenSlot => {
    requireGraphqlName(name);
    const type = found.queries.queryTypes.get(typeName);
    if (type === undefined) throw invalid(`type "${typeName}" does not exist`);
    return {
      kind: 'given',
      name,
      field: name,
      type: argumentType(type),
      hasDefault: nullable,
      ...(nullable ? {} : { notNull: true }),
      description: description ?? `Native Query argument ${name}`,
    };
  });
  const ref = queryRef(entry.root_field_name);
  const signature = { ref, slots, leakproof: false, statement: statementOf(entry, names) };
  return { signature, argsType: `${entry.root_field_name}_arguments` };
}

/** The text, split at its arguments; refuses arguments that are used and not declared, or declared and not used. */
function statementOf({ code }: NativeQueryMetadata, declared: readonly string[]): readonly TextPart[] {
  const parts = codeParts(code);
  if (parts === null) throw new Unresolvable(UNCLOSED);
  const numbered = numberedParameter(code);
  if (numbered !== null)
    throw new Unresolvable(
      `The query names a parameter by its number, ${numbered}: write {{name}} for a value, and declare it as an argument`,
    );
  const used = new Set(parts.flatMap((part) => ('argument' in part ? [part.argument] : [])));
  const undeclared = [...used].filter((name) => !declared.includes(name));
  if (undeclared.length > 0)
    throw new Unresolvable(
      `The following columns are used in the query, but are not declared as arguments: ${listed(undeclared)}`,
    );
  const unused = declared.filter((name) => !used.has(name));
  if (unused.length > 0)
    throw new Unresolvable(
      `The following columns are declared as arguments, but are not used in the query: ${listed(unused)}`,
    );
  return parts.map((part) => ('text' in part ? part : { argument: declared.indexOf(part.argument) }));
}

function listed(names: readonly string[]): string {
  return `[${names.map((name) => `"${name}"`).join(', ')}]`;
}

/** A field that is no value needs a relationship of the same name. */
function checkRelated(entry: NativeQueryMetadata, fields: readonly LogicalField[]): void {
  const { root_field_name: query, object_relationships: one = [], array_relationships: many = [] } = entry;
  const names = one.map(({ name }) => name);
  const twice = many.filter(({ name }) => names.includes(name)).map(({ name }) => name);
  if (twice.length > 0)
    throw new Unresolvable(`The native query '${query}' has duplicate relationships: ${twice.join()}`);
  const related = new Set([...one, ...many, ...(entry.remote_relationships ?? [])].map(({ name }) => name));
  const values = new Set(valuesIn(fields).map(({ name }) => name));
  const alone = fields.find(({ name }) => !values.has(name) && !related.has(name));
  if (alone !== undefined) throw new Unresolvable(`Unexpected logical model object field '${alone.name}'.`);
}

/** The columns of the model; the query must return each of them with exactly its type. */
function checkedColumns(
  entry: NativeQueryMetadata,
  fields: readonly LogicalField[],
  scope: TableScope,
): readonly Column[] {
  const { found } = scope;
  const answer = found.queries.statements.get(probeOf(entry, fields) ?? '') ?? {
    error: 'not asked yet',
  };
  if ('error' in answer) throw invalid(answer.error);
  return valuesIn(fields).map(({ name, type: typeName, nullable, description }, place) => {
    const type = found.queries.queryTypes.get(typeName);
    if (type === undefined) throw invalid(`type "${typeName}" does not exist`);
    const actual = answer[place];
    if (actual?.oid !== type.oid)
      throw invalid(
        `Return column '${name}' has a type mismatch. The expected type is '${typeName}', but the actual type is '${actual?.sql}'.`,
      );
    const plain = { generated: false, enumTable: null, upperCased: false, ...ownLocaleIn(scope) };
    return { ...plain, name, field: name, type, notNull: !nullable, description: description ?? null };
  });
}

function invalid(why: string): Unresolvable {
  return new Unresolvable(`Failed to validate query: ${why}`);
}

interface Shape {
  readonly columns: readonly Column[];
  /** The name that its types begin with. */
  readonly model: string;
  readonly description: string | null;
  readonly root: RootName;
}

function tableOf(
  source: SourceName,
  entry: NativeQueryMetadata,
  { columns, model, description, root }: Shape,
  { names }: TableScope,
): Table {
  const { spelling } = names;
  const ref = queryRef(entry.root_field_name);
  const shown = columns.filter(({ field }) => isGraphqlName(field));
  // As Hasura has it: the ending comes twice in the name of `_bool_exp`, and `_enum_name` ignores the source's customization.
  const derivedType = (ending: string): string => {
    if (ending === '_select_column') return `${model}_enum_name`;
    const base = { kind: 'custom', name: model } as const;
    const name = ending === '_bool_exp' ? spelling.derivedType(base, ending) : model;
    return names.type(spelling.derivedType({ ...base, name }, ending));
  };
  return {
    source,
    ref,
    spelling,
    typeName: hasOwnType(entry) ? entry.root_field_name : model,
    derivedType,
    stream: { ordering: names.type(spelling.type('cursor_ordering')), table: printTable(ref) },
    description,
    root: { select: root, selectByPk: root, selectAggregate: root, selectStream: root },
    columns,
    columnByField: new Map(shown.map((column) => [column.field, column])),
    columnByName: new Map(columns.map((column) => [column.name, column])),
    primaryKey: [],
    uniqueKeys: [],
    indexes: [],
    relationships: new Map(),
    computedFields: new Map(),
    permissions: new Map(),
    enumValues: null,
  };
}
