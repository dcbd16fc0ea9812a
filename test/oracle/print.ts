import { MODEL, type TableName } from './model.ts';
import type { Condition, Ordering, Selection } from './query.ts';

/** The selection as a GraphQL document. */
export function toGraphql(selection: Selection): string {
  return `{ ${selection.table}${argumentsOf(selection)} ${fieldsOf(selection)} }`;
}

function fieldsOf(selection: Selection): string {
  const related = Object.entries(selection.related).map(([name, inner]) => {
    const array = MODEL[selection.table].relationships[name]?.kind === 'array';
    return `${name}${array ? argumentsOf(inner) : ''} ${fieldsOf(inner)}`;
  });
  return `{ ${[...selection.columns, ...related].join(' ')} }`;
}

function argumentsOf({ where, orderBy, limit, offset }: Selection): string {
  const parts = [`order_by: [${orderBy.map(orderingToGraphql).join(', ')}]`];
  if (where !== null) parts.push(`where: ${conditionToGraphql(where)}`);
  if (limit !== null) parts.push(`limit: ${limit}`);
  if (offset !== null) parts.push(`offset: ${offset}`);
  return `(${parts.join(', ')})`;
}

function orderingToGraphql({ path, column, direction }: Ordering): string {
  return path.reduceRight((inner, step) => `{${step}: ${inner}}`, `{${column}: ${direction}}`);
}

function conditionToGraphql(condition: Condition): string {
  switch (condition.kind) {
    case 'compare':
      return `{${condition.column}: {${condition.operator}: ${JSON.stringify(condition.value)}}}`;
    case 'and':
    case 'or':
      return `{_${condition.kind}: [${condition.of.map(conditionToGraphql).join(', ')}]}`;
    case 'not':
      return `{_not: ${conditionToGraphql(condition.of)}}`;
    case 'related':
      return `{${condition.relationship}: ${condition.of === null ? '{}' : conditionToGraphql(condition.of)}}`;
  }
}

/** The selection as one plain SQL statement over a database that holds every table; written as naively as can be. */
export function toSql(selection: Selection): string {
  return `select json_build_object('${selection.table}', ${listSql(selection, 'true', 't')})::text as answer`;
}

function listSql(selection: Selection, correlated: string, alias: string): string {
  const { limit, offset } = selection;
  const where = selection.where === null ? 'true' : conditionSql(selection.where, selection.table, alias);
  const order = selection.orderBy.map((one) => orderingSql(one, selection.table, alias)).join(', ');
  return `(select coalesce(json_agg(j), '[]') from (select ${objectSql(selection, alias)} as j from ${selection.table} ${alias}
    where (${correlated}) and (${where}) order by ${order}${limit === null ? '' : ` limit ${limit}`}${offset === null ? '' : ` offset ${offset}`}) s)`;
}

function objectSql(selection: Selection, alias: string): string {
  const members = selection.columns.map((column) => `'${column}', ${alias}.${column}`);
  for (const [name, inner] of Object.entries(selection.related)) {
    const next = `${alias}_`;
    const { kind } = relationship(selection.table, name);
    const on = onSql(selection.table, name, alias, next);
    const one = `(select ${objectSql(inner, next)} from ${inner.table} ${next} where ${on})`;
    members.push(`'${name}', ${kind === 'array' ? listSql(inner, on, next) : one}`);
  }
  return `json_build_object(${members.join(', ')})`;
}

function relationship(
  table: TableName,
  name: string,
): { kind: string; to: TableName; on: Readonly<Record<string, string>> } {
  const found = MODEL[table].relationships[name];
  if (found === undefined) throw new Error(`no relationship ${name}`);
  return found;
}

function onSql(table: TableName, name: string, left: string, right: string): string {
  return Object.entries(relationship(table, name).on)
    .map(([l, r]) => `${left}.${l} = ${right}.${r}`)
    .join(' and ');
}

function orderingSql({ path, column, direction }: Ordering, table: TableName, alias: string): string {
  const [way, nulls] = direction.split('_nulls_');
  const ending = nulls === undefined ? '' : ` nulls ${nulls}`;
  const [step] = path;
  if (step === undefined) return `${alias}.${column} ${way}${ending}`;
  const { to } = relationship(table, step);
  return `(select o.${column} from ${to} o where ${onSql(table, step, alias, 'o')}) ${way}${ending}`;
}

const SQL_OPERATORS: Readonly<Record<string, string>> = {
  _eq: '=',
  _neq: '<>',
  _gt: '>',
  _lt: '<',
  _gte: '>=',
  _lte: '<=',
  _like: 'like',
  _nilike: 'not ilike',
};

function conditionSql(condition: Condition, table: TableName, alias: string): string {
  switch (condition.kind) {
    case 'compare':
      return compareSql(`${alias}.${condition.column}`, condition.operator, condition.value);
    case 'and':
      return `(${['true', ...condition.of.map((one) => conditionSql(one, table, alias))].join(' and ')})`;
    case 'or':
      return `(${['false', ...condition.of.map((one) => conditionSql(one, table, alias))].join(' or ')})`;
    case 'not':
      return `(not ${conditionSql(condition.of, table, alias)})`;
    case 'related': {
      const next = `${alias}_w`;
      const { to } = relationship(table, condition.relationship);
      const inner = condition.of === null ? 'true' : conditionSql(condition.of, to, next);
      return `exists (select from ${to} ${next} where ${onSql(table, condition.relationship, alias, next)} and ${inner})`;
    }
  }
}

function compareSql(column: string, operator: string, value: unknown): string {
  if (operator === '_is_null') return `(${column} is ${value === true ? '' : 'not '}null)`;
  if (Array.isArray(value)) {
    if (value.length === 0) return operator === '_in' ? 'false' : 'true';
    return `(${column} ${operator === '_in' ? 'in' : 'not in'} (${value.map(literal).join(', ')}))`;
  }
  return `(${column} ${SQL_OPERATORS[operator]} ${literal(value)})`;
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
}
