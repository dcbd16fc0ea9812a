import type { TablePlace } from '../../metadata/object/edit.ts';
import type { ObjectRef, TableObjectKind } from '../../metadata/object/objects.ts';
import type { Reducible } from '../reduce.ts';

/** The object a command is about; its failure is the command's own. */
export function createdBy(command: Reducible): ObjectRef | null {
  switch (command.type) {
    case 'pg_add_source':
    case 'pg_update_source':
      return { kind: 'source', source: command.args.name };
    case 'pg_track_table':
    case 'pg_set_table_customization':
    case 'pg_set_table_is_enum':
      return { kind: 'table', source: command.args.source, table: command.args.table };
    case 'pg_track_function':
    case 'pg_set_function_customization':
      return { kind: 'function', source: command.args.source, function: command.args.function };
    case 'pg_track_logical_model':
      return { kind: 'logical_model', source: command.args.source, name: command.args.name };
    case 'pg_create_logical_model_select_permission': {
      const { type: kind, source, name, role } = command.args;
      return { kind: 'model_permission', source, of: { kind, source, name }, name: role };
    }
    case 'pg_track_native_query':
      return { kind: 'native_query', source: command.args.source, name: command.args.root_field_name };
    case 'add_inherited_role':
      return { kind: 'inherited_role', name: command.args.role_name };
    case 'create_rest_endpoint':
      return { kind: 'rest_endpoint', name: command.args.name };
    default:
      return entryOf(command);
  }
}

function entryOf(command: Reducible): ObjectRef | null {
  const entry = (kind: TableObjectKind, { source, table }: TablePlace, name: string): ObjectRef => {
    return { kind, source, table, name };
  };
  switch (command.type) {
    case 'pg_create_object_relationship':
      return entry('object_relation', command.args, command.args.name);
    case 'pg_create_array_relationship':
      return entry('array_relation', command.args, command.args.name);
    case 'pg_create_remote_relationship':
    case 'pg_update_remote_relationship':
      return entry('remote_relationship', command.args, command.args.name);
    case 'pg_add_computed_field':
      return entry('computed_field', command.args, command.args.name);
    case 'pg_create_select_permission':
      return entry('select_permission', command.args, command.args.role);
    default:
      return null;
  }
}
