import { printTable, tableKey } from '../../core/names.ts';
import type { EnumValue, FoundColumn, FoundTable, Introspection } from '../introspection.ts';
import type { Spelling } from '../part/spelling.ts';
import { isGraphqlName } from './names.ts';
import { becauseOf, Unresolvable } from './problems.ts';

/** The values of an enum table; refuses a table that cannot be one, with all reasons. */
export function enumValuesOf(
  table: FoundTable,
  found: Introspection,
  spelling: Spelling,
): readonly EnumValue[] {
  const values = found.enumValues.get(tableKey(table.ref)) ?? [];
  const reasons = shapeProblems(table);
  if ('error' in values) reasons.push(`its rows cannot be read: ${values.error}`);
  else if (reasons.length === 0) reasons.push(...valueProblems(values, spelling));
  if (reasons.length > 0 || 'error' in values)
    throw new Unresolvable(
      `the table "${printTable(table.ref)}" cannot be used as an enum ${becauseOf(reasons)}`,
    );
  return values;
}

function shapeProblems(table: FoundTable): string[] {
  const problems: string[] = [];
  const key = table.keys.find((candidate) => candidate.primary)?.columns ?? [];
  if (key.length === 0) problems.push('the table must have a primary key');
  if (key.length > 1)
    problems.push(`the table’s primary key must not span multiple columns (${sorted(key)})`);
  for (const column of table.columns.filter(({ name }) => key.length === 1 && key.includes(name))) {
    problems.push(...notText(column, 'primary key'));
  }
  const others = table.columns.filter(({ name }) => !key.includes(name));
  if (others.length > 1) {
    const names = table.columns.map(({ name }) => name);
    problems.push(
      `the table must have exactly one primary key and optionally one comment column, not ${names.length} columns (${sorted(names)})`,
    );
  }
  const comment = others.length === 1 ? others[0] : undefined;
  if (comment !== undefined) problems.push(...notText(comment, 'comment column'));
  return problems;
}

function notText(column: FoundColumn, role: string): readonly string[] {
  if (column.type.name === 'text') return [];
  return [`the table’s ${role} ("${column.name}") must have type "text", not type "${column.type.sql}"`];
}

function valueProblems(values: readonly EnumValue[], spelling: Spelling): readonly string[] {
  if (values.length === 0) return ['the table must have at least one row'];
  const bad = values.filter(
    ({ value }) => !isGraphqlName(value) || ['true', 'false', 'null'].includes(value),
  );
  if (bad.length === 0) return sameSpelling(values, spelling);
  const names = bad.map(({ value }) => JSON.stringify(value)).join(', ');
  return [
    bad.length === 1
      ? `the value ${names} is not a valid GraphQL enum value name`
      : `the values ${names} are not valid GraphQL enum value names`,
  ];
}

/** The naming convention may spell two values alike. */
function sameSpelling(values: readonly EnumValue[], spelling: Spelling): readonly string[] {
  const known = new Map<string, string>();
  return values.flatMap(({ value }) => {
    const spelled = spelling.enumValue(value);
    const other = known.get(spelled);
    known.set(spelled, value);
    return other === undefined ? [] : [`the values "${other}" and "${value}" are both spelled ${spelled}`];
  });
}

function sorted(names: readonly string[]): string {
  return [...names].sort().join(', ');
}
