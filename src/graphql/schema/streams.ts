import {
  type GraphQLFieldConfigArgumentMap,
  type GraphQLInputFieldConfig,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
} from 'graphql';
import type { VisibleTable } from '../../plan/role/visible.ts';
import type { InputTypes, Kit } from './inputs.ts';
import { type Member, required, sorted } from './named.ts';
import { fieldsOf } from './values.ts';

const ORDERINGS = [
  { name: 'ASC', description: 'ascending ordering of the cursor' },
  { name: 'DESC', description: 'descending ordering of the cursor' },
];

/** The arguments of `<t>_stream`. */
export function streamArguments(
  kit: Kit,
  inputs: InputTypes,
  view: VisibleTable,
): GraphQLFieldConfigArgumentMap {
  const { field } = view.table.spelling;
  return {
    [field('batch_size')]: {
      type: required(GraphQLInt),
      description: 'maximum number of rows returned in a single batch',
    },
    cursor: {
      type: required(new GraphQLList(cursorInput(kit, view))),
      description: 'cursor to stream the results returned by the query',
    },
    where: { type: inputs.condition(view), description: 'filter the rows returned' },
  };
}

function cursorInput(kit: Kit, view: VisibleTable): GraphQLInputObjectType {
  const { spelling, stream, derivedType } = view.table;
  return kit.registry.once(derivedType('_stream_cursor_input'), (name) => {
    const ordering = kit.registry.enumeration(stream.ordering, ORDERINGS, 'ordering argument of a cursor');
    const fields = sorted<GraphQLInputFieldConfig>([
      [
        spelling.field('initial_value'),
        { type: required(valueInput(kit, view)), description: 'Stream column input with initial value' },
      ],
      ['ordering', { type: ordering, description: 'cursor ordering' }],
    ]);
    const description = `Streaming cursor of the table "${stream.table}"`;
    return new GraphQLInputObjectType({ name, description, fields });
  });
}

function valueInput(kit: Kit, view: VisibleTable): GraphQLInputObjectType {
  const { table } = view;
  return kit.registry.once(table.derivedType('_stream_cursor_value_input'), (name) => {
    const description = 'Initial value of the column from where the streaming should start';
    const members = fieldsOf(view).map((column): Member => {
      const type = kit.values.ofColumn(table, column);
      return [column.field, { type, description: column.description }];
    });
    return new GraphQLInputObjectType({ name, description, fields: () => sorted(members) });
  });
}
