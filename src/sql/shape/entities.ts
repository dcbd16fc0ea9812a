import type { RootField } from '../../plan/plan.ts';
import { operandSql } from '../condition/operand.ts';
import type { Build, RowScope } from '../place/scope.ts';
import { type Sql, separated, sql, syntax } from '../sql.ts';
import { joinedList } from './json-parts.ts';
import { fieldJson } from './shape.ts';

/** The rows of some keys as a JSON list in the order of the keys; `null` for a key that has no row. */
export function entitiesJson({ by, select }: Extract<RootField, { kind: 'entities' }>, build: Build): Sql {
  const names = by.map((_, i) => syntax(`k${i}`));
  const row: RowScope = {
    // A row of the keys is none of the table's.
    table: { ...select.from, id: -1 },
    filtered: false,
    atHome: true,
    read: (column) => syntax(`k.k${by.findIndex((key) => key.column.name === column.name)}`),
    heldAs: () => null,
    whole: () => {
      throw new Error('bug: a key is not a whole row');
    },
  };
  const on = by.map(({ column }) => ({ left: column, right: column }));
  const join = { name: '', on, unique: true, indexed: true };
  const site = { row, rows: new Map(), shared: [], build };
  const json = fieldJson({ kind: 'object', key: '', join, select }, site);
  const lists = by.map(({ values }) => operandSql(values, build));
  const keys = sql`unnest(${separated(lists, ', ')}) as k(${separated(names, ', ')})`;
  // Nothing above the keys sorts them again.
  return sql`(select ${joinedList(syntax('e.j'))} from (select ${json} as j from ${keys}) e)`;
}
