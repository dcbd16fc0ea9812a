import { escapeIdentifier } from 'pg';
import { type TableRef, tableKey } from '../../src/core/names.ts';
import { ConnectorError, type Publishable } from '../connector.ts';
import type { AdminPool } from './client.ts';
import { judge, quoted } from './publishable.ts';
import type { Target } from './settings.ts';
import { readTableFacts } from './table-facts.ts';

/** The first version that can publish generated columns. */
const GENERATED_SINCE = 180_000;

interface Publication {
  readonly version: number;
  readonly exists: boolean;
  readonly is_for_all: boolean | null;
  readonly has_our_options: boolean | null;
  readonly has_slot: boolean;
  /** `isPlain`: no row filter, no column list. */
  readonly tables: readonly (TableRef & { readonly isPlain: boolean })[];
}

/** Judges each table by the rules in publishable.ts and estimates the rows of those that pass. */
export async function checkTables(
  target: Target,
  admin: AdminPool,
  tables: readonly TableRef[],
): Promise<readonly Publishable[]> {
  const publication = await readPublication(admin, target.name);
  const facts = await readTableFacts(admin, target.name, tables);
  const { exists, version } = publication;
  const to = { publication: target.name, exists, version, together: tables };
  const judged = tables.map((table, index) => judge(table, facts[index] ?? null, to));
  return await Promise.all(judged.map((each) => withEstimate(admin, each)));
}

/** The planner's estimate is right for tables never analyzed and for partitioned ones too. */
async function withEstimate(admin: AdminPool, judged: Publishable): Promise<Publishable> {
  if (judged.kind === 'no') return judged;
  const row = await admin.row<{ 'QUERY PLAN': readonly { Plan: { 'Plan Rows': number } }[] }>(
    `explain (format json) select from ${quoted(judged.table)}`,
  );
  return { ...judged, rowsEstimated: row['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0 };
}

/** Makes the publication hold exactly these tables, changing only what differs; returns the tables that were missing. */
export async function publishTables(
  target: Target,
  admin: AdminPool,
  tables: readonly TableRef[],
): Promise<readonly TableRef[]> {
  const found = await readPublication(admin, target.name);
  if (!found.exists && found.has_slot) {
    // Changes written while there was none are not in the slot's stream, and nothing else tells of that.
    throw new ConnectorError(
      'slot-lost',
      'the publication was dropped on the target: what it missed is unknown',
    );
  }
  const { statements, added } = planChanges(target.name, found, tables);
  if (statements.length > 0) {
    await admin.transaction([`set local lock_timeout = ${target.timings.lockMs}`, ...statements]);
    target.log.info({ publication: target.name, added: added.length }, 'publication changed');
  }
  return added;
}

/** An empty publication when there is none: the slot must be younger than the publication it will be read with. */
export async function ensurePublication(target: Target, admin: AdminPool): Promise<void> {
  const found = await readPublication(admin, target.name);
  if (!found.exists) await admin.transaction([createStatement(target.name, found.version, [])]);
}

/** Whether our publication is there. */
export async function hasPublication(admin: AdminPool, name: string): Promise<boolean> {
  const rows = await admin.rows('select from pg_publication where pubname = $1', [name]);
  return rows.length > 0;
}

/** Drops our publication; harmless when there is none. */
export async function dropPublication(target: Target, admin: AdminPool): Promise<void> {
  await admin.transaction([
    `set local lock_timeout = ${target.timings.lockMs}`,
    `drop publication if exists ${escapeIdentifier(target.name)}`,
  ]);
}

async function readPublication(admin: AdminPool, name: string): Promise<Publication> {
  return await admin.row<Publication & Record<string, unknown>>(
    `select
       current_setting('server_version_num')::int as version,
       p.oid is not null as exists,
       p.puballtables as is_for_all,
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
}

interface Changes {
  readonly statements: readonly string[];
  readonly added: readonly TableRef[];
}

function planChanges(name: string, found: Publication, wanted: readonly TableRef[]): Changes {
  if (!found.exists) return { statements: [createStatement(name, found.version, wanted)], added: wanted };
  const alter = `alter publication ${escapeIdentifier(name)}`;
  const statements = found.has_our_options === true ? [] : [`${alter} set (${optionsOf(found.version)})`];
  // Made by an administrator for all tables: nothing to add, and what is too much is ignored on arrival.
  if (found.is_for_all === true) return { statements, added: [] };
  const wantedKeys = new Set(wanted.map(tableKey));
  const goodKeys = new Set(found.tables.filter((table) => table.isPlain).map(tableKeyOf));
  const dropped = found.tables.filter((table) => !table.isPlain || !wantedKeys.has(tableKeyOf(table)));
  const added = wanted.filter((table) => !goodKeys.has(tableKey(table)));
  if (dropped.length > 0) statements.push(`${alter} drop table ${dropped.map(quoted).join(', ')}`);
  if (added.length > 0) statements.push(`${alter} add table ${added.map(quoted).join(', ')}`);
  return { statements, added };
}

function tableKeyOf(table: TableRef): string {
  return tableKey({ schema: table.schema, name: table.name });
}

function createStatement(name: string, version: number, tables: readonly TableRef[]): string {
  const list = tables.length === 0 ? '' : ` for table ${tables.map(quoted).join(', ')}`;
  return `create publication ${escapeIdentifier(name)}${list} with (${optionsOf(version)})`;
}

function optionsOf(version: number): string {
  const generated = version >= GENERATED_SINCE ? ', publish_generated_columns = stored' : '';
  return `publish = 'insert, update, delete, truncate', publish_via_partition_root = true${generated}`;
}
