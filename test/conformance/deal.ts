import type { TestDatabase } from '../support/postgres.ts';

// Deals a group's tables out over two databases: every other tracked table is read from the second one, and each
// relationship that then crosses becomes a remote one with the mapping it had.

type Args = { [key: string]: unknown };
type Call = { readonly type: string; readonly args: Args };
type Table = { readonly schema: string; readonly name: string };
type Columns = readonly (readonly [left: string, right: string])[];

interface ForeignKey {
  readonly from: Table;
  readonly to: Table;
  readonly columns: Columns;
}

/** The same metadata over two sources, tables first. */
export async function dealOut(calls: readonly unknown[], database: Pick<TestDatabase, 'query'>): Promise<readonly unknown[]> {
  const flat = (calls as readonly Call[]).flatMap((call) => (call.type === 'bulk' ? (call.args as unknown as Call[]) : [call]));
  const tracking = flat.filter(({ type }) => type === 'pg_track_table');
  const owners = new Map(tracking.map(({ args }, index) => [keyOf(tableOf(args['table'])), index % 2 === 0 ? 'default' : 'other']));
  const owner = (table: Table): string => owners.get(keyOf(table)) ?? 'default';
  const keys = await foreignKeys(database);
  const others = flat.filter(({ type }) => type !== 'pg_track_table');
  return [
    ...tracking.map(({ type, args }) => ({ type, args: { ...args, source: owner(tableOf(args['table'])) } })),
    ...others.map((call) => dealt(call, owner, keys)),
  ];
}

function dealt(call: Call, owner: (table: Table) => string, keys: readonly ForeignKey[]): unknown {
  const { type, args } = call;
  if (args['table'] === undefined) return call;
  const table = tableOf(args['table']);
  const source = owner(table);
  if (type === 'pg_create_select_permission') {
    return { type, args: { ...args, source, permission: withSources(args['permission'], owner) } };
  }
  const kind = /^pg_create_(object|array)_relationship$/.exec(type)?.[1];
  if (kind === undefined) return { type, args: { ...args, source } };
  const { to, columns } = joinOf(table, args['using'] as Args, keys);
  if (owner(to) === source) return { type, args: { ...args, source } };
  const to_source = {
    relationship_type: kind,
    source: owner(to),
    table: to,
    field_mapping: Object.fromEntries(columns),
    nearjoin: { follow: 'all' },
  };
  return { type: 'pg_create_remote_relationship', args: { source, table, name: args['name'], definition: { to_source } } };
}

/** An `_exists` names its table together with the source that the table went to. */
function withSources(rule: unknown, owner: (table: Table) => string): unknown {
  if (Array.isArray(rule)) return rule.map((part) => withSources(part, owner));
  if (typeof rule !== 'object' || rule === null) return rule;
  return Object.fromEntries(
    Object.entries(rule).map(([key, value]) => {
      if (key !== '_table') return [key, withSources(value, owner)];
      const table = tableOf(value);
      return [key, { source: owner(table), ...table }];
    }),
  );
}

function joinOf(table: Table, using: Args, keys: readonly ForeignKey[]): { to: Table; columns: Columns } {
  const manual = using['manual_configuration'] as Args | undefined;
  if (manual !== undefined) {
    return { to: tableOf(manual['remote_table']), columns: Object.entries(manual['column_mapping'] as Record<string, string>) };
  }
  const on = using['foreign_key_constraint_on'];
  const isReverse = typeof on === 'object' && on !== null && !Array.isArray(on);
  const names = [isReverse ? ((on as Args)['columns'] ?? (on as Args)['column']) : on].flat() as string[];
  const from = isReverse ? tableOf((on as Args)['table']) : table;
  const key = keys.find((one) => keyOf(one.from) === keyOf(from) && sameSet(one.columns.map(([left]) => left), names));
  if (key === undefined) throw new Error(`no foreign key of ${keyOf(from)} on ${names.join()}`);
  if (!isReverse) return { to: key.to, columns: key.columns };
  return { to: from, columns: key.columns.map(([left, right]) => [right, left] as const) };
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.toSorted().join() === b.toSorted().join();
}

function tableOf(value: unknown): Table {
  if (typeof value === 'string') return { schema: 'public', name: value };
  const { schema = 'public', name } = value as { schema?: string; name: string };
  return { schema, name };
}

function keyOf({ schema, name }: Table): string {
  return `${schema}.${name}`;
}

async function foreignKeys(database: Pick<TestDatabase, 'query'>): Promise<readonly ForeignKey[]> {
  const { rows } = await database.query<{ key: ForeignKey }>(`
    select json_build_object(
      'from', json_build_object('schema', c.connamespace::regnamespace::name, 'name', f.relname),
      'to', json_build_object('schema', t.relnamespace::regnamespace::name, 'name', t.relname),
      'columns', (select json_agg(json_build_array(fa.attname, ta.attname) order by n)
        from unnest(c.conkey, c.confkey) with ordinality k(f, t, n)
        join pg_attribute fa on fa.attrelid = c.conrelid and fa.attnum = k.f
        join pg_attribute ta on ta.attrelid = c.confrelid and ta.attnum = k.t)) as key
    from pg_constraint c join pg_class f on f.oid = c.conrelid join pg_class t on t.oid = c.confrelid
    where c.contype = 'f'`);
  return rows.map(({ key }) => key);
}
