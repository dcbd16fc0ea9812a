import { keptIn } from '../../src/core/kept-in.ts';
import type { Change, Relation, RelationColumn } from '../../src/core/rows/change.ts';
import { type Cell, completed, type Row, rowOf, UNCHANGED } from '../../src/core/rows/row.ts';
import type { RowEvent } from './envelope.ts';
import { isObject, type JsonObject, type JsonValue, member, parse, textOf } from './json.ts';
import type { ColumnLayout, TableLayout } from './layout.ts';
import { type FieldSchema, placeholderOf, type Reader, readerOf } from './values.ts';

interface BoundColumn extends ColumnLayout {
  readonly reader: Reader;
  readonly placeholder: string | null;
}

/** How a table's values are read from messages of one schema. */
interface Binding {
  readonly relation: Relation;
  readonly columns: readonly BoundColumn[];
  readonly keys: readonly number[];
}

type Fields = ReadonlyMap<string, FieldSchema | null>;

/** The bindings of a table's layout. A schema that comes again after another one is read anew, so none is kept for long. */
class Bindings {
  readonly bySchema = new WeakMap<Buffer, Binding>();
  readonly byNames = new Map<string, Binding>();
}

/** Turns Debezium's events into changes. Only here it is known what stands for a value that was not sent. */
export class EventReader {
  readonly #placeholder: string;
  readonly #bindings = {
    faithful: new WeakMap<TableLayout, Bindings>(),
    replacing: new WeakMap<TableLayout, Bindings>(),
  };

  constructor(placeholder: string) {
    this.#placeholder = placeholder;
  }

  /**
   * One change. `old` is the delete of the old key, where the event is the insert of a new one. An event that cannot be read
   * becomes a truncate of a relation with a fault, so that the table is copied again.
   */
  change(event: RowEvent, layout: TableLayout, old: RowEvent | null): Change {
    const binding = this.#binding(event, layout);
    const { relation } = binding;
    if (event.op === 't') return { kind: 'truncate', relations: [relation] };
    try {
      return changeOf(event, binding, old);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      return { kind: 'truncate', relations: [{ ...relation, fault: error.message }] };
    }
  }

  #binding(event: RowEvent, layout: TableLayout): Binding {
    const { schema, replacesNulls } = event;
    const kept = replacesNulls ? this.#bindings.replacing : this.#bindings.faithful;
    const { bySchema, byNames } = keptIn(kept, layout, () => new Bindings());
    const bound = (fields: Fields): Binding =>
      bind(layout, fields, { placeholder: this.#placeholder, replacesNulls });
    if (schema !== null) return keptIn(bySchema, schema, () => bound(fieldsOf(schema)));
    const names = namesIn(event, layout);
    return keptIn(byNames, JSON.stringify(names), () => bound(new Map(names.map((name) => [name, null]))));
  }
}

/** Messages without a schema name their fields in every row. */
function namesIn({ before, after }: RowEvent, layout: TableLayout): readonly string[] {
  const row = isObject(after) ? after : before;
  return isObject(row) ? Object.keys(row) : layout.columns.map(({ name }) => name);
}

/** A value is not one that its type can have. */
class Unreadable extends Error {}

function fieldsOf(schema: Buffer): Fields {
  const fields = listOf(member(parse(schema.toString('utf8')), 'fields'));
  const after = fields.find((each) => textOf(member(each, 'field')) === 'after');
  return new Map(
    listOf(member(after ?? null, 'fields')).map((each) => [
      textOf(member(each, 'field')) ?? '',
      {
        type: textOf(member(each, 'type')) ?? '',
        name: textOf(member(each, 'name')),
        hasDefault: member(each, 'optional') === true && isObject(each) && Object.hasOwn(each, 'default'),
      },
    ]),
  );
}

function listOf(value: JsonValue): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}

/** How a connector's messages are. */
interface Manner {
  readonly placeholder: string;
  readonly replacesNulls: boolean;
}

const NULLS =
  'set value.converter.replace.null.with.default=false on the Debezium connector: else its default comes where it is null';

function bind(layout: TableLayout, fields: Fields, { placeholder, replacesNulls }: Manner): Binding {
  const columns = layout.columns
    .filter(({ name }) => fields.has(name))
    .map((column): BoundColumn => {
      const field = fields.get(column.name) ?? null;
      const isReplaced = replacesNulls && (field ?? column).hasDefault === true;
      const reader: Reader = isReplaced ? { kind: 'refuses', reason: NULLS } : readerOf(column.kind, field);
      return { ...column, reader, placeholder: placeholderOf(column.kind, placeholder) };
    });
  const keys = columns.flatMap(({ isKey }, at) => (isKey ? [at] : []));
  return { relation: relationOf(layout, columns), columns, keys };
}

function relationOf({ table, oid }: TableLayout, columns: readonly BoundColumn[]): Relation {
  const faults = columns.flatMap(({ name, reader }) =>
    reader.kind === 'refuses' ? [`column "${name}": ${reader.reason}`] : [],
  );
  const described: RelationColumn[] = columns.map(({ name, typeOid, typeModifier, isKey }) => ({
    name,
    typeOid,
    typeModifier,
    isKey,
  }));
  const [fault] = faults;
  // Also for a table whose identity is full: no more of its old row is used.
  const relation: Relation = { oid, table, replicaIdentity: 'd', columns: described };
  return fault === undefined ? relation : { ...relation, fault };
}

function changeOf(event: RowEvent, binding: Binding, old: RowEvent | null): Change {
  const { relation } = binding;
  if (relation.fault !== undefined) return { kind: 'truncate', relations: [relation] };
  if (event.op === 'd') return { kind: 'delete', relation, before: rowIn(event.before, binding, true) };
  if (event.op === 'c' && old === null)
    return { kind: 'insert', relation, after: rowIn(event.after, binding, false) };
  return updateOf(event.after, old?.before ?? event.before, binding);
}

/**
 * The old row is kept only if the key changed. Only its key is taken: of the other columns Debezium makes up a default or something
 * empty where they may not be null and the old row was not sent whole.
 */
function updateOf(now: JsonValue, then: JsonValue, binding: Binding): Change {
  const { relation, keys } = binding;
  const before = isObject(then) ? rowIn(then, binding, true) : null;
  const sent = rowIn(now, binding, true);
  const after = before === null ? sent : completed(sent, before, keys);
  if (keys.some((at) => !after.has(at))) throw new Unreadable('a change does not name its row');
  const isMoved = before !== null && keys.some((at) => before.cell(at) !== after.cell(at));
  return { kind: 'update', relation, after, before: isMoved ? before : null };
}

function rowIn(value: JsonValue, { columns }: Binding, mayLack: boolean): Row {
  if (!isObject(value)) throw new Unreadable('a change has no row');
  return rowOf(columns.map((column) => cellOf(value, column, mayLack)));
}

function cellOf(row: JsonObject, { name, reader, placeholder }: BoundColumn, mayLack: boolean): Cell {
  const value = Object.hasOwn(row, name) ? (row[name] ?? null) : null;
  if (value === null) return null;
  if (mayLack && placeholder !== null && isPlaceholder(value, placeholder)) return UNCHANGED;
  if (reader.kind === 'refuses') throw new Unreadable(`column "${name}": ${reader.reason}`);
  const text = reader.read(value);
  if (text !== null) return text;
  const hint = reader.hint === null ? '' : `, or may have: ${reader.hint}`;
  throw new Unreadable(`column "${name}" holds a value that Debezium has changed${hint}`);
}

function isPlaceholder(value: JsonValue, placeholder: string): boolean {
  return value === placeholder || (isObject(value) && JSON.stringify(value) === placeholder);
}
