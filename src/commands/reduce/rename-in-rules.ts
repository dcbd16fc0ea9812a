import { isRecord } from '../../core/json/is-record.ts';
import { type SourceName, sameTable, type TableRef } from '../../core/names.ts';
import { aggregatedBy, readExists, ruleMember } from '../../core/row-rule.ts';
import type { Metadata } from '../../metadata/model.ts';
import { changeOwners, type Owner, type TablePlace } from '../../metadata/object/edit.ts';
import type { Follow } from './follow.ts';

/** A relationship and its new name. */
export interface Renaming extends TablePlace {
  readonly name: string;
  readonly new_name: string;
}

interface Walk {
  readonly renaming: Renaming;
  readonly follow: Follow;
}

/** Whose rows a rule is of; those of a logical model have no relationships that it may walk. */
interface Rows {
  readonly source: SourceName;
  readonly table: TableRef | null;
}

/** Permissions of all kinds hold rules; those that only Hasura uses are kept fit for it. */
const PERMISSIONS = ['select_permissions', 'insert_permissions', 'update_permissions', 'delete_permissions'];
const RULES: ReadonlySet<string> = new Set(['filter', 'check']);
const CONNECTIVES: ReadonlySet<string> = new Set(['_and', '_or', '_not']);

/** The metadata with the new name wherever a row rule walks the relationship: of any table or logical model, through databases too. */
export function renameInRules(metadata: Metadata, renaming: Renaming, follow: Follow): Metadata {
  const walk = { renaming, follow };
  const sources = metadata.sources.map((source) =>
    changeOwners(source, (owner, table) => renameInPermissions(walk, { source: source.name, table }, owner)),
  );
  return { ...metadata, sources };
}

function renameInPermissions<T extends Owner>(walk: Walk, at: Rows, owner: T): T {
  const changed = PERMISSIONS.flatMap((key) => {
    const entries: unknown = owner[key];
    if (!Array.isArray(entries)) return [];
    const renamed = entries.map((entry: unknown) =>
      mapMembers(entry, (name, value) => [
        name,
        name === 'permission' ? renameInPermission(walk, at, value) : value,
      ]),
    );
    return [[key, renamed] as const];
  });
  return { ...owner, ...Object.fromEntries(changed) };
}

function renameInPermission(walk: Walk, at: Rows, permission: unknown): unknown {
  return mapMembers(permission, (name, value) => [
    name,
    RULES.has(name) ? renameInRule(walk, at, value) : value,
  ]);
}

function renameInRule(walk: Walk, at: Rows, rule: unknown): unknown {
  if (Array.isArray(rule)) return rule.map((part) => renameInRule(walk, at, part));
  return mapMembers(rule, (key, value) => {
    const name = ruleMember(key);
    if (CONNECTIVES.has(name)) return [key, renameInRule(walk, at, value)];
    if (name === '_exists') return [key, renameInExists(walk, at, value)];
    const { source, table } = at;
    return table === null ? [key, value] : renameWalked(walk, { source, table }, key, value);
  });
}

function renameInExists(walk: Walk, at: Rows, value: unknown): unknown {
  const exists = readExists(value, at.source);
  if (exists === null) return value;
  return mapMembers(value, (key, member) => [
    key,
    key === '_where' ? renameInRule(walk, exists, member) : member,
  ]);
}

/** A member that is a relationship or its aggregate; any other is a column's. */
function renameWalked(walk: Walk, at: TablePlace, key: string, value: unknown): [string, unknown] {
  if (isWalked(walk, at, key)) {
    const to = walk.follow(at, key);
    return [nameOf(walk, at, key), to === null ? value : renameInRule(walk, to, value)];
  }
  const name = aggregatedBy(key);
  if (name === key || !isWalked(walk, at, name)) return [key, value];
  const to = walk.follow(at, name);
  const renamed = `${nameOf(walk, at, name)}_aggregate`;
  return [renamed, to === null ? value : renameInAggregate(walk, to, value)];
}

/** Inside `{count: {filter: …}}` and its like. */
function renameInAggregate(walk: Walk, at: TablePlace, value: unknown): unknown {
  return mapMembers(value, (called, parts) => [
    called,
    mapMembers(parts, (name, part) => [name, name === 'filter' ? renameInRule(walk, at, part) : part]),
  ]);
}

function isWalked({ renaming, follow }: Walk, at: TablePlace, name: string): boolean {
  return isRenamed(renaming, at, name) || follow(at, name) !== null;
}

function nameOf({ renaming }: Walk, at: TablePlace, name: string): string {
  return isRenamed(renaming, at, name) ? renaming.new_name : name;
}

function isRenamed(renaming: Renaming, at: TablePlace, name: string): boolean {
  return name === renaming.name && at.source === renaming.source && sameTable(at.table, renaming.table);
}

/** What is no object stays as it is. */
function mapMembers(value: unknown, map: (name: string, member: unknown) => [string, unknown]): unknown {
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => map(name, member)));
}
