import { printTable } from '../../src/core/names.ts';
import type {
  Aggregate,
  AggregateField,
  AggregateValue,
  Cell,
  Field,
  Join,
  OrderItem,
  Param,
  PlanTable,
  QueryPlan,
  RemoteUse,
  RootField,
  Select,
} from '../../src/plan/plan.ts';
import { printPredicate } from './print-predicate.ts';

type Lines = readonly string[];

/** A plan as indented text. */
export function printPlan(plan: QueryPlan): string {
  const lines = [
    ...plan.roots.flatMap(printRoot),
    ...plan.params.map((param, index) => `$${index} ${printParam(param)}`),
    ...(plan.sessionVariables.length === 0 ? [] : [`session ${plan.sessionVariables.join(', ')}`]),
    ...plan.remotes.flatMap(printRemote),
  ];
  return `${lines.join('\n')}\n`;
}

function printRoot(root: RootField): Lines {
  switch (root.kind) {
    case 'constant':
      return [`${root.key} = ${root.json}`];
    case 'introspection':
      return [`${root.key} = introspection ${root.index}`];
    case 'object':
      return [`${root.key} = object`, ...indent(root.fields.flatMap(printRoot))];
    case 'aggregate':
      return [
        `${root.key} = aggregate of ${printFrom(root.aggregate.rows.from)}`,
        ...indent(printAggregate(root.aggregate)),
      ];
    case 'stream':
      return [
        `${root.key} = stream of ${printFrom(root.select.from)} by ${root.by.name} behind $${root.cursor.index}`,
        ...indent(printSelect(root.select)),
      ];
    case 'entities':
      return [
        `${root.key} = entities of ${printFrom(root.select.from)} by ${root.by.map(({ column, values }) => `${column.name} in $${values.index}`).join(' and ')}`,
        ...indent(printSelect(root.select)),
      ];
    default:
      return [
        `${root.key} = ${root.kind} of ${printFrom(root.select.from)}`,
        ...indent(printSelect(root.select)),
      ];
  }
}

function printSelect(select: Select): Lines {
  return [...printRows(select), ...select.fields.flatMap(printField)];
}

function printRows(select: Select): Lines {
  const { where, orderBy, distinctOn, limit, withTies, offset } = select;
  const distinct = distinctOn.map(printCell);
  return [
    ...(where.kind === 'true' ? [] : [`where ${printPredicate(where)}`]),
    ...(distinct.length === 0 ? [] : [`distinct on ${distinct.join(', ')}`]),
    ...(orderBy.length === 0 ? [] : [`order by ${orderBy.map(printOrder).join(', ')}`]),
    ...(limit === null ? [] : [`limit ${limit}${withTies === undefined ? '' : ' with ties'}`]),
    ...(offset === null ? [] : [`offset $${offset.index}`]),
  ];
}

function printCell({ column: { name }, onlyIf }: Cell): string {
  return onlyIf === null ? name : `${name} only if ${printPredicate(onlyIf)}`;
}

function printField(field: Field): Lines {
  switch (field.kind) {
    case 'constant':
      return [`${field.key}: ${field.json}`];
    case 'column': {
      const path = field.jsonPath === null ? '' : ` at $${field.jsonPath.index}`;
      const guard = field.onlyIf === null ? '' : ` only if ${printPredicate(field.onlyIf)}`;
      return [`${field.key}: ${field.column.name}${path}${guard}`];
    }
    case 'aggregate': {
      const { rows } = field.aggregate;
      return [
        `${field.key}: aggregate of ${printFrom(rows.from)} ${printJoin(field.join)}`,
        ...indent(printAggregate(field.aggregate)),
      ];
    }
    default: {
      const head = `${field.key}: ${field.kind} of ${printFrom(field.select.from)} ${printJoin(field.join)}`;
      return [head, ...indent(printSelect(field.select))];
    }
  }
}

function printAggregate({ rows, fields, nodesLimit }: Aggregate): Lines {
  const limit = nodesLimit === null ? [] : [`nodes limit ${nodesLimit}`];
  return [...printRows(rows), ...limit, ...fields.flatMap(printAggregateField)];
}

function printAggregateField(field: AggregateField): Lines {
  switch (field.kind) {
    case 'constant':
      return [`${field.key}: ${field.json}`];
    case 'nodes':
      return [`${field.key}: nodes`, ...indent(field.fields.flatMap(printField))];
    default:
      return [`${field.key}: values`, ...indent(field.values.map(printValue))];
  }
}

function printValue(value: AggregateValue): string {
  switch (value.kind) {
    case 'constant':
      return `${value.key}: ${value.json}`;
    case 'count': {
      const columns = value.cells.map(printCell);
      return `${value.key}: count(${value.distinct ? 'distinct ' : ''}${columns.join(', ') || '*'})`;
    }
    default: {
      const parts = value.of.map((part) => {
        if (part.kind === 'constant') return `${part.key}: ${part.json}`;
        return `${part.key}: ${part.column.name}${part.onlyIf === null ? '' : ` only if ${printPredicate(part.onlyIf)}`}`;
      });
      return `${value.key}: ${value.function}(${parts.join(', ')})`;
    }
  }
}

function printOrder({ path, by, direction, nulls }: OrderItem): string {
  const steps = path.map(({ join, to, where }) => {
    const filter = where.kind === 'true' ? '' : `[${printPredicate(where)}]`;
    return `${join.name}#${to.id}${filter}.`;
  });
  const usual = direction === 'asc' ? 'last' : 'first';
  return `${steps.join('')}${printOrdered(by)} ${direction}${nulls === usual ? '' : ` nulls ${nulls}`}`;
}

function printOrdered(by: OrderItem['by']): string {
  if (by.kind === 'count') return 'count';
  const name = by.kind === 'column' ? by.column.name : `${by.function}(${by.column.name})`;
  return by.onlyIf === null ? name : `${name} only if ${printPredicate(by.onlyIf)}`;
}

function printFrom({ id, source, ref, columns, key, call }: PlanTable): string {
  const order = key.length === 0 ? '' : ` key ${key.map(({ name }) => name).join(', ')}`;
  const rows = call === undefined ? printTable(ref) : `${printTable(ref)} by ${printTable(call.ref)}`;
  return `${source}.${rows}#${id}(${columns.map(({ name }) => name).join(', ')})${order}`;
}

function printJoin({ name, on, unique }: Join): string {
  const pairs = on.map(({ left, right }) => `${left.name} = ${right.name}`);
  return `over ${name} on ${pairs.join(' and ')}${unique ? ' unique' : ''}`;
}

function printParam({ from, type, list, long = false, form }: Param): string {
  const as = `${type.sql}${list ? '[]' : ''}${long ? ' long' : ''}${form === 'typed' ? '' : ` as ${form}`}`;
  switch (from.kind) {
    case 'value':
      return `${as} = ${JSON.stringify(from.value)}`;
    case 'variable':
      return `${as} from variable ${from.path.join('.')}`;
    case 'composed':
      return `${as} composed`;
    case 'session':
      return `${as} from session ${from.name}`;
    case 'representations':
      return `${as} from representations ${from.path.join('.')}`;
    case 'whole-session':
      return `${as} of the whole session`;
    default:
      return `${as} from session list`;
  }
}

function printRemote({ source, target, tables, options }: RemoteUse): Lines {
  const read = tables.map(
    ({ table, columns }) => `${printTable(table)}(${columns.map(({ name }) => name).join(', ')})`,
  );
  const asked = options.map(
    ({ cache, maxStalenessMs, fallback, onTargetDown }) =>
      `[cache ${cache}, staleness ${maxStalenessMs}, fallback ${fallback}, down ${onTargetDown}]`,
  );
  return [`remote ${source} <- ${target}: ${read.join(', ')} ${asked.join(' ')}`];
}

function indent(lines: Lines): Lines {
  return lines.map((line) => `  ${line}`);
}
