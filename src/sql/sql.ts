import type { StatementParameter } from './statement.ts';

/** A piece of SQL. Only `print.ts` turns one into text, so quoting happens in one place. */
export type Sql =
  | { readonly kind: 'syntax'; readonly text: string }
  | { readonly kind: 'identifier'; readonly name: string }
  | { readonly kind: 'constant'; readonly value: string }
  | { readonly kind: 'parameter'; readonly parameter: StatementParameter }
  | { readonly kind: 'typed-parameter'; readonly parameter: StatementParameter; readonly type: Sql }
  /** Syntax with a hole between each piece and the next. */
  | { readonly kind: 'template'; readonly pieces: readonly string[]; readonly holes: readonly Sql[] }
  | { readonly kind: 'list'; readonly parts: readonly Sql[]; readonly separator: string }
  | { readonly kind: 'concatenation'; readonly parts: readonly Sql[] };

/** Builds SQL from a template: the fixed parts are syntax, every hole takes SQL and nothing else. */
export function sql(pieces: TemplateStringsArray, ...holes: readonly Sql[]): Sql {
  return { kind: 'template', pieces, holes };
}

/** Text pasted as it is: our own aliases, numbers, and types as the catalog spells them. */
export function syntax(text: string): Sql {
  return { kind: 'syntax', text };
}

/** A name that users chose. */
export function identifier(name: string): Sql {
  return { kind: 'identifier', name };
}

/** What users, or an extension, have put in a schema. */
export function qualified({ schema, name }: { readonly schema: string; readonly name: string }): Sql {
  return sql`${identifier(schema)}.${identifier(name)}`;
}

/** A string constant. */
export function constant(value: string): Sql {
  return { kind: 'constant', value };
}

/** A value that arrives with the request. */
export function parameter(what: StatementParameter): Sql {
  return { kind: 'parameter', parameter: what };
}

/** The same as a value of a type: a text that is none is refused before any row is read. */
export function typedParameter(what: StatementParameter, type: Sql): Sql {
  return { kind: 'typed-parameter', parameter: what, type };
}

/** The parts with a separator between them. */
export function separated(parts: readonly Sql[], separator: string): Sql {
  return { kind: 'list', parts, separator };
}

/** Lists side by side. `unnest` of several lists is syntax of Postgres: it has no schema, and cannot be shadowed. */
export function unnested(lists: readonly Sql[]): Sql {
  return sql`${syntax(lists.length === 1 ? 'pg_catalog.unnest' : 'unnest')}(${separated(lists, ', ')})`;
}

/** Conditions that must all hold, `true` when there are none. */
export function allOf(conditions: readonly Sql[]): Sql {
  return conditions.length === 0 ? syntax('true') : separated(conditions, ' and ');
}

/** Conditions of which one must hold, `false` when there are none. */
export function anyOf(conditions: readonly Sql[]): Sql {
  return conditions.length === 0 ? syntax('false') : sql`(${separated(conditions, ' or ')})`;
}

/** Text concatenation; one inside another becomes one, and so do neighbouring constants: each step copies all before it. */
export function concatenated(parts: readonly Sql[]): Sql {
  const merged: Sql[] = [];
  for (const part of parts.flatMap((part) => (part.kind === 'concatenation' ? part.parts : [part]))) {
    const last = merged.at(-1);
    if (part.kind === 'constant' && last?.kind === 'constant') {
      merged[merged.length - 1] = constant(last.value + part.value);
    } else {
      merged.push(part);
    }
  }
  const [only = constant(''), ...others] = merged;
  return others.length === 0 ? only : { kind: 'concatenation', parts: merged };
}
