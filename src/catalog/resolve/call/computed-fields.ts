import type { InconsistentObject } from '../../../core/inconsistent-object.ts';
import { printTable, sameTable } from '../../../core/names.ts';
import type { ComputedFieldMetadata, TableMetadata } from '../../../metadata/model.ts';
import { givenSlots, type Implicit, signatureOf } from '../../call/function-arguments.ts';
import type { ComputedField, Table } from '../../catalog.ts';
import { isJsonType } from '../../conditions/operators.ts';
import type { FoundArgument, FoundFunction } from '../../introspect/found-functions.ts';
import type { Introspection } from '../../introspection.ts';
import { HASURA_DEFAULT } from '../../part/spelling.ts';
import type { FindTable } from '../memo.ts';
import { baseName, descriptionOf, isGraphqlName, type SourceNames } from '../names.ts';
import { attempt, becauseOf, Unresolvable } from '../problems.ts';
import { onlyFunction } from './functions.ts';

/** The owner of each field of a table, worded as in Hasura's messages. */
export type Taken = Map<string, string>;

/** A table whose fields are being resolved, and the names that are taken already. */
export interface FieldsOf {
  readonly table: Table;
  readonly tracked: TableMetadata;
  readonly taken: Taken;
}

/** What resolving a computed field takes: the functions and tables of its database. */
export interface ComputedScope {
  readonly found: Introspection;
  readonly names: SourceNames;
  readonly find: FindTable;
}

/** Claims fields for one owner; refuses when another has one of them. */
export function claimFields(fields: readonly string[], owner: string, taken: Taken): void {
  for (const field of fields) {
    const other = taken.get(field);
    if (other === undefined) continue;
    const what =
      other.startsWith('postgres') && other !== `postgres column "${field}"`
        ? `custom field name for ${other}`
        : other;
    throw new Unresolvable(`field definition conflicts with ${what}`, { located: false });
  }
  for (const field of fields) taken.set(field, owner);
}

/** The valid computed fields of a table. */
export function computedFieldsOf(
  { table, tracked, taken }: FieldsOf,
  scope: ComputedScope,
  problems: InconsistentObject[],
): ReadonlyMap<string, ComputedField> {
  const fields = new Map<string, ComputedField>();
  for (const entry of tracked.computed_fields ?? []) {
    const subject = { kind: 'computed_field', source: table.source, table: table.ref, entry } as const;
    const field = attempt(subject, problems, () => {
      const resolved = resolveComputed({ table, tracked, entry }, scope);
      claimFields([entry.name], `computed field "${entry.name}"`, taken);
      return resolved;
    });
    if (field !== null) fields.set(field.name, field);
  }
  return fields;
}

interface TrackedField {
  readonly table: Table;
  readonly tracked: TableMetadata;
  readonly entry: ComputedFieldMetadata;
}

function resolveComputed({ table, tracked, entry }: TrackedField, scope: ComputedScope): ComputedField {
  const { name, definition, comment } = entry;
  const found = onlyFunction(definition.function, scope.found);
  const reasons = reasonsAgainst(table, entry, found, scope.find);
  if (reasons.length > 0) {
    const refused = `the computed field "${name}" cannot be added to table "${printTable(table.ref)}"`;
    throw new Unresolvable(`${refused} ${becauseOf(reasons)}`);
  }
  // As in Hasura, no naming convention respells it.
  const argsType = `${name}_${HASURA_DEFAULT.rootBase(baseName(table.ref, tracked.configuration))}_args`;
  const fallback = found.comment ?? `A computed field, executes function "${printTable(found.ref)}"`;
  return {
    name,
    description: descriptionOf(comment, fallback),
    signature: signatureOf(found, implicitOf(entry, found)),
    argsType: scope.names.type(argsType),
    returns:
      found.returns.table === null
        ? { kind: 'scalar', type: found.returns.type }
        : { kind: 'table', table: found.returns.table, set: found.returns.set },
  };
}

function reasonsAgainst(
  table: Table,
  entry: ComputedFieldMetadata,
  found: FoundFunction,
  find: FindTable,
): readonly string[] {
  const called = `the function "${printTable(found.ref)}"`;
  return [
    ...(isGraphqlName(entry.name) ? [] : [`"${entry.name}" is not valid GraphQL name`]),
    ...(found.volatility === 'volatile'
      ? [`${called} is of type VOLATILE; cannot be added as a computed field`]
      : []),
    ...returnProblems(table, found, find),
    ...rowProblems(table, entry, found),
    ...sessionProblems(entry, found),
    ...argumentProblems(entry, found),
  ];
}

function returnProblems(
  { source }: Table,
  { ref, returns }: FoundFunction,
  find: FindTable,
): readonly string[] {
  const called = `the function "${printTable(ref)}"`;
  if (returns.table !== null) {
    if (find(source, returns.table) !== undefined) return [];
    return [
      `${called} returning set of table "${printTable(returns.table)}" is not tracked or not found in database`,
    ];
  }
  const { kind, name } = returns.type;
  const isBase = kind === 'base' || kind === 'array';
  if (!isBase) return [`${called} returning type "${name}" is not a BASE type`];
  return returns.set ? [`${called} returns a set of type "${name}"`] : [];
}

function rowProblems(table: Table, entry: ComputedFieldMetadata, found: FoundFunction): readonly string[] {
  const called = `the function "${printTable(found.ref)}"`;
  const named = entry.definition.table_argument ?? null;
  const argument = named === null ? found.args[0] : argumentNamed(found, named);
  if (argument === undefined)
    return [
      named === null
        ? `${called} has no input arguments`
        : `"${named}" is not an input argument of ${called}`,
    ];
  const which = named === null ? `first argument of ${called}` : `"${named}" argument of ${called}`;
  const isTable = argument.table !== null && sameTable(argument.table, table.ref);
  const of = argument.table ?? { schema: argument.type.schema, name: argument.type.name };
  return [
    ...(argument.type.kind === 'composite' ? [] : [`${which} is not COMPOSITE type`]),
    ...(isTable
      ? []
      : [`${which} of type "${printTable(of)}" is not the table to which the computed field is being added`]),
  ];
}

function sessionProblems(entry: ComputedFieldMetadata, found: FoundFunction): readonly string[] {
  const called = `the function "${printTable(found.ref)}"`;
  const named = entry.definition.session_argument ?? null;
  if (named === null) return [];
  const argument = argumentNamed(found, named);
  if (argument === undefined) return [`"${named}" is not an input argument of ${called}`];
  return isJsonType(argument.type) ? [] : [`"${named}" argument of ${called} is not of type JSON`];
}

/** Hasura accepts such functions, and queries of them fail. */
function argumentProblems(entry: ComputedFieldMetadata, found: FoundFunction): readonly string[] {
  const called = `the function "${printTable(found.ref)}"`;
  const fields = givenSlots(signatureOf(found, implicitOf(entry, found))).map(({ field }) => field);
  const invalid = fields.filter((field) => !isGraphqlName(field));
  const vague = found.args.find(({ type }) => type.kind === 'pseudo');
  return [
    ...(found.variadic ? [`${called} has a VARIADIC argument`] : []),
    ...(vague === undefined
      ? []
      : [`the type "${vague.type.sql}" of an argument of ${called} stands for many`]),
    ...(invalid.length === 0
      ? []
      : [
          `the arguments ${invalid.map((field) => `"${field}"`).join(', ')} of ${called} are no GraphQL names`,
        ]),
    ...(new Set(fields).size === fields.length ? [] : [`two arguments of ${called} have the same name`]),
  ];
}

function argumentNamed({ args }: FoundFunction, name: string): FoundArgument | undefined {
  return args.find((argument) => argument.name === name);
}

function implicitOf({ definition }: ComputedFieldMetadata, { args }: FoundFunction): Implicit {
  const placeOf = (name: string): number | null => {
    const place = args.findIndex((argument) => argument.name === name);
    return place < 0 ? null : place;
  };
  const { table_argument: row, session_argument: session } = definition;
  return {
    row: typeof row === 'string' ? placeOf(row) : 0,
    session: typeof session === 'string' ? placeOf(session) : null,
  };
}
