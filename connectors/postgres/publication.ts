import { must } from '../../src/core/assert.ts';
import { type TableRef, tableKey } from '../../src/core/names.ts';
import { quoteIdentifier, quoteTable } from '../../src/core/postgres/quote-identifier.ts';
import { ConnectorError, type Publishable, type Published } from '../connector.ts';
import type { AdminPool, Query } from './client.ts';
import { isDenied } from './failure.ts';
import { allBut, type Changes, changePublication, NOTHING_CHANGED } from './publication/change.ts';
import { GENERATED_SINCE, judge } from './publication/publishable.ts';
import { readTableFacts } from './publication/table-facts.ts';
import { type Followed, readMark, readShapes } from './publication/table-shape.ts';

interface Publication {
  readonly version: number;
  readonly exists: boolean;
  readonly is_for_all: boolean | null;
  /** We may change it. */
  readonly is_ours: boolean | null;
  readonly has_our_options: boolean | null;
  readonly has_slot: boolean;
  /** `isPlain`: no row filter, no column list. */
  readonly tables: readonly (TableRef & { readonly isPlain: boolean })[];
}

/** Tables as they were judged, and what to watch for that judgement to change. */
export interface Checked {
  readonly judged: readonly Publishable[];
  readonly followed: Followed;
  readonly mark: string;
}

/** Judges each table by the rules in publishable.ts. */
export function checkTables(
  admin: AdminPool,
  publication: string,
  tables: readonly TableRef[],
): Promise<Checked> {
  return admin.snapshot(async (query) => {
    const { exists, version } = await readPublication(query, publication);
    const facts = await readTableFacts(query, publication, tables);
    const { shapes, followed } = await readShapes(query, publication, tables);
    const { mark } = await readMark(query, publication, followed);
    const to = { publication, exists, version, together: tables };
    const judged = tables.map((table, index) =>
      judge(table, { facts: facts[index] ?? null, shape: shapes[index] ?? null }, to),
    );
    return { judged, followed, mark };
  });
}

/** Makes the publication hold exactly these tables, changing only what differs. */
export async function publishTables(admin: AdminPool, tables: readonly TableRef[]): Promise<Published> {
  const { target } = admin;
  const found = await admin.snapshot((query) => readPublication(query, target.name));
  if (!found.exists && found.has_slot) throw publicationLost();
  if (found.is_ours === false) return publishedByOthers(target.name, found, tables);
  const changes = planChanges(target.name, found, tables);
  const { before, drops, adds } = changes;
  if (before.length + drops.length + adds.length === 0) return NOTHING_CHANGED;
  const published = await changePublication(admin, changes);
  const { added, stillPublished } = published;
  // What the target denies is asked for again and again.
  if (stillPublished.length < before.length + drops.length + adds.length)
    target.log.info({ publication: target.name, added: added.length }, 'publication changed');
  // With other options the publication left out changes of any table.
  return found.exists && before.length > 0
    ? { ...published, added: allBut(published.refused, tables) }
    : published;
}

/** An administrator made it: what is wrong with it can only be told. */
function publishedByOthers(name: string, found: Publication, tables: readonly TableRef[]): Published {
  const publication = quoteIdentifier(name);
  if (found.has_our_options !== true) {
    const fix = `alter publication ${publication} set (${optionsOf(found.version)})`;
    throw new ConnectorError('unfit', `the publication leaves changes out; run: ${fix}`);
  }
  if (found.is_for_all === true) return NOTHING_CHANGED;
  const there = new Map(found.tables.map((table) => [tableKey(table), table]));
  const refused = tables.flatMap((table) => {
    const entry = there.get(tableKey(table));
    if (entry?.isPlain === true) return [];
    const what = entry === undefined ? 'is not in the publication' : 'is filtered in the publication';
    const drop =
      entry === undefined ? '' : `alter publication ${publication} drop table ${quoteTable(table)}; `;
    const fix = `${drop}alter publication ${publication} add table ${quoteTable(table)};`;
    return [{ table, reason: `it ${what}, which another role owns; run: ${fix}` }];
  });
  return { ...NOTHING_CHANGED, refused };
}

/** An empty publication when there is none: the slot must be younger than the publication it will be read with. */
export async function ensurePublication(admin: AdminPool): Promise<void> {
  const { name } = admin.target;
  const { exists, version } = await admin.snapshot((query) => readPublication(query, name));
  if (exists) return;
  const create = createStatement(name, version);
  try {
    await admin.rows(create);
  } catch (error) {
    throw (isDenied(error) ? await lackOfRight(admin, create, error) : null) ?? error;
  }
}

/** Names both ways out: a right for the role, or a publication that somebody else makes; null where it has the right. */
async function lackOfRight(admin: AdminPool, create: string, cause: unknown): Promise<ConnectorError | null> {
  const rows = await admin.rows<{ role: string; database: string; mayCreate: boolean }>(
    `select quote_ident(current_user) as role, quote_ident(current_database()) as database,
       has_database_privilege(current_database(), 'create') as "mayCreate"`,
  );
  const { role, database, mayCreate } = must(rows[0], 'the role of the target');
  if (mayCreate) return null;
  const ways = `grant create on database ${database} to ${role}; or make it as another role: ${create};`;
  return new ConnectorError('unfit', `role ${role} may not make the publication; run: ${ways}`, cause);
}

/** Refuses to go on with a slot whose publication is gone. */
export async function requirePublication(admin: AdminPool): Promise<void> {
  if (!(await hasPublication(admin))) throw publicationLost();
}

async function hasPublication(admin: AdminPool): Promise<boolean> {
  const rows = await admin.rows('select from pg_publication where pubname = $1', [admin.target.name]);
  return rows.length > 0;
}

/** Changes written while there is none are not in the slot's stream, and nothing else tells of that. */
function publicationLost(): ConnectorError {
  return new ConnectorError(
    'slot-lost',
    'the publication was dropped on the target: what it missed is unknown',
  );
}

/** Drops our publication; harmless when there is none: an event trigger that refuses every definition refuses also to drop nothing. */
export async function dropPublication(admin: AdminPool): Promise<void> {
  if (!(await hasPublication(admin))) return;
  const { name, timings } = admin.target;
  await admin.transaction(async (query) => {
    await query(`set local lock_timeout = ${timings.lockMs}`);
    await query(`drop publication if exists ${quoteIdentifier(name)}`);
  });
}

async function readPublication(query: Query, name: string): Promise<Publication> {
  const rows = await query<Publication>(
    `select
       current_setting('server_version_num')::int as version,
       p.oid is not null as exists,
       p.puballtables as is_for_all,
       pg_has_role(p.pubowner, 'usage') as is_ours,
       p.pubviaroot and p.pubinsert and p.pubupdate and p.pubdelete and p.pubtruncate
         and coalesce(to_jsonb(p) ->> 'pubgencols', 's') in ('s', 'true') as has_our_options,
       exists (select from pg_replication_slots where slot_name = $1) as has_slot,
       (
         select coalesce(jsonb_agg(jsonb_build_object(
           'schema', n.nspname,
           'name', c.relname,
           'isPlain', to_jsonb(r) ->> 'prqual' is null and to_jsonb(r) ->> 'prattrs' is null
         )), '[]')
         from pg_publication_rel r
         join pg_class c on c.oid = r.prrelid
         join pg_namespace n on n.oid = c.relnamespace
         where r.prpubid = p.oid
       ) as tables
     from (select) as always
     left join pg_publication p on p.pubname = $1`,
    [name],
  );
  return must(rows[0], 'the state of the publication');
}

function planChanges(name: string, found: Publication, wanted: readonly TableRef[]): Changes {
  const alter = `alter publication ${quoteIdentifier(name)}`;
  const options = found.has_our_options === true ? [] : [`${alter} set (${optionsOf(found.version)})`];
  const before = found.exists ? options : [createStatement(name, found.version)];
  // Made by an administrator for all tables: nothing to add, and what is too much is ignored on arrival.
  if (found.is_for_all === true) return { before, drops: [], adds: [] };
  const wantedKeys = new Set(wanted.map(tableKey));
  const goodKeys = new Set(found.tables.filter((table) => table.isPlain).map(tableKey));
  const dropped = found.tables
    .filter((table) => !table.isPlain || !wantedKeys.has(tableKey(table)))
    .map((table) => ({ schema: table.schema, name: table.name }));
  const added = wanted.filter((table) => !goodKeys.has(tableKey(table)));
  return { before, drops: dropped, adds: added };
}

function createStatement(name: string, version: number): string {
  return `create publication ${quoteIdentifier(name)} with (${optionsOf(version)})`;
}

function optionsOf(version: number): string {
  const generated = version >= GENERATED_SINCE ? ', publish_generated_columns = stored' : '';
  return `publish = 'insert, update, delete, truncate', publish_via_partition_root = true${generated}`;
}
