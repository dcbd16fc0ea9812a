import { unreachable } from '../../core/assert.ts';
import type { OrderItem, OrderStep } from '../../plan/plan.ts';
import {
  aggregateSql,
  joinedTo,
  type RelatedRows,
  relatedRows,
  visibleValue,
} from '../condition/predicate.ts';
import { sortValue } from '../place/enum-order.ts';
import { type RowScope, type Site, siteOf } from '../place/scope.ts';
import { allOf, type Sql, separated, sql, syntax } from '../sql.ts';
import { findShared, type JoinSite, normalForms, startOf } from './sharing.ts';

/** The ORDER BY term of one item, by its value if that is known; the to-one tables on its path are joined to the rows. */
export function orderTerm(item: OrderItem, site: JoinSite, known: Sql | null): Sql {
  if (known !== null) return sql`${known}${direction(item)}`;
  const steps = item.by.kind === 'column' ? item.path : item.path.slice(0, -1);
  const row = steps.reduce((left, step) => follow(left, step, site), site.row);
  return sql`${termValue(item, row, site)}${direction(item)}`;
}

/** The default places of nulls are left out, so that plain indexes fit. */
function direction(item: OrderItem): Sql {
  const usual = item.direction === 'asc' ? 'last' : 'first';
  const nulls = item.nulls === usual ? '' : ` nulls ${item.nulls}`;
  return syntax(item.direction === 'asc' ? nulls : ` desc${nulls}`);
}

function termValue(item: OrderItem, row: RowScope, site: JoinSite): Sql {
  const last = item.path.at(-1);
  const parent = item.path.at(-2);
  // A filter may have joined a row under another place than the one that the ordering speaks of.
  const left = parent === undefined ? row : { ...row, table: parent.to };
  switch (item.by.kind) {
    case 'column': {
      const own = last === undefined ? row : { ...row, table: last.to };
      const value = sortValue(visibleValue(item.by, siteOf(own, site)), item.by.column, row);
      // A function would be called with the row that is not there.
      return last === undefined || item.by.column.computed === undefined
        ? value
        : whereJoined(value, last, row);
    }
    case 'count': {
      const counted = overRelated(() => syntax('count(*)'), last, siteOf(left, site));
      return parent === undefined ? counted : whereJoined(counted, parent, row);
    }
    case 'function': {
      const { by } = item;
      const called = (right: Site): Sql => {
        const value = sortValue(visibleValue(by, right), by.column, right.row);
        return aggregateSql(by.function, { columns: [by.column], values: [value], distinct: false });
      };
      return overRelated(called, last, siteOf(left, site));
    }
    default:
      return unreachable(item.by);
  }
}

/** A row that is not there has nothing to count or compute: null, as its columns are. */
function whereJoined(value: Sql, { join }: OrderStep, row: RowScope): Sql {
  const present = allOf(join.on.map((pair) => sql`${row.read(pair.right)} is not null`));
  return sql`(case when ${present} then ${value} end)`;
}

/** An aggregate over the rows of the path's last step. */
function overRelated(value: (right: Site) => Sql, step: OrderStep | undefined, left: Site): Sql {
  if (step === undefined) throw new Error('bug: an aggregate ordering without a relationship');
  const { from, conditions, site } = relatedRows(step, joinedTo(left, step.join));
  return sql`(select ${value(site)} from ${from} where ${allOf(conditions)})`;
}

/** Joins the next table of a path, or finds it joined already. */
function follow(left: RowScope, step: OrderStep, site: JoinSite): RowScope {
  const start = startOf(left.table, step.join);
  const conditions = normalForms(step.where, step.to, site.build.params);
  const known = findShared(site.from.shared, start, () => conditions);
  if (known !== undefined) return known.scope;
  const next = relatedRows(step, joinedTo(siteOf(left, site), step.join));
  if (!step.join.unique) return followFirst(next, step, site);
  const scope = next.site.row;
  site.from.items.push(sql`left join ${next.from} on ${allOf(next.conditions)}`);
  site.from.shared.push({ start, scope, optional: true, conditions });
  return scope;
}

/** Several rows may match: the one with the least key stands for them, as where the relationship is selected. */
function followFirst(
  { from, conditions, site: { row: scope } }: RelatedRows,
  step: OrderStep,
  site: JoinSite,
): RowScope {
  const lifted = site.build.alias();
  const columns = [...step.to.columns, ...step.to.key.filter((key) => !step.to.columns.includes(key))];
  const list = columns.map((column, i) => sql`${scope.read(column)} as ${syntax(`c${i}`)}`);
  if (site.build.leaves(step.to).kind === 'table') list.push(sql`${scope.whole()} as w`);
  const keys = step.to.key.map((column) => scope.read(column));
  const order = keys.length === 0 ? syntax('') : sql` order by ${separated(keys, ', ')}`;
  const first = sql`select ${separated(list, ', ')} from ${from} where ${allOf(conditions)}${order} limit 1`;
  site.from.items.push(sql`left join lateral (${first}) ${syntax(lifted)} on true`);
  return {
    ...scope,
    whole: () => syntax(`${lifted}.w`),
    read: (column) =>
      syntax(`${lifted}.c${columns.findIndex((candidate) => candidate.name === column.name)}`),
  };
}
