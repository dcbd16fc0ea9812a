import { must } from '../../../src/core/assert.ts';
import { printTable, sameTable, type TableRef } from '../../../src/core/names.ts';
import { quoteIdentifier, quoteTable } from '../../../src/core/postgres/quote-identifier.ts';
import type { TableShape } from '../../../src/core/rows/table-shape.ts';
import type { Publishable } from '../../connector.ts';
import type { ColumnFacts, IdentityFacts, TableFacts } from './table-facts.ts';

/** What the rules must know beside the table. */
export interface PublishingTo {
  readonly publication: string;
  /** Whether an administrator or we made it already. */
  readonly exists: boolean;
  /** server_version_num of the target. */
  readonly version: number;
  /** All tables that will be published together. */
  readonly together: readonly TableRef[];
}

interface Refusal {
  readonly reason: string;
  readonly fix: string | null;
}

type Rule = (facts: TableFacts, to: PublishingTo) => Refusal | null;

/** The first version (`server_version_num`) that can publish stored generated columns. */
export const GENERATED_SINCE = 180_000;

/** What the target's catalog says of one table; null when it does not exist. */
export interface Found {
  readonly facts: TableFacts | null;
  readonly shape: TableShape | null;
}

/** Whether a table can be published without harm to its owner's writes, and with rows we can name; pure. */
export function judge(table: TableRef, { facts, shape }: Found, to: PublishingTo): Publishable {
  if (facts === null) return { kind: 'no', table, reason: 'it does not exist', fix: null };
  for (const rule of RULES) {
    const refusal = rule(facts, to);
    if (refusal !== null) return { kind: 'no', table, ...refusal };
  }
  const columns = facts.columns.filter((column) => isSent(column, to)).map((column) => column.name);
  const { key, indexes } = facts;
  return {
    kind: 'yes',
    table,
    key: key ?? [],
    columns,
    shape: must(shape, 'the shape of a table'),
    indexes,
  };
}

/** Order matters: the first refusal is the one that tells most. */
const RULES: readonly Rule[] = [
  refuseKind,
  refusePartition,
  refusePartitions,
  refuseUnkeyed,
  refuseGeneratedKey,
  refuseVirtualInFull,
  refuseRights,
];

const KIND_NAMES: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
};

function refuseKind(facts: TableFacts): Refusal | null {
  const kind = KIND_NAMES[facts.kind];
  if (kind !== undefined)
    return { reason: `it is ${kind}: the target keeps no log of its changes`, fix: null };
  if (facts.is_system) return { reason: 'it is a system table', fix: null };
  if (facts.persistence === 't') return { reason: 'it is a temporary table', fix: null };
  if (facts.persistence === 'u') {
    return {
      reason: 'it is unlogged: the target keeps no log of its changes',
      fix: `alter table ${quoteTable(facts)} set logged;`,
    };
  }
  if (facts.has_children) return { reason: 'other tables inherit from it', fix: null };
  return null;
}

function refusePartition({ root, told_as: whole }: TableFacts, to: PublishingTo): Refusal | null {
  if (root !== null && to.together.some((table) => sameTable(table, root)))
    return { reason: `it is a partition of ${printTable(root)}, which is followed as a whole`, fix: null };
  if (whole === null) return null;
  return { reason: `the publication tells of its rows as rows of ${printTable(whole)}`, fix: null };
}

function refusePartitions(facts: TableFacts): Refusal | null {
  for (const partition of facts.partitions) {
    const kind = KIND_NAMES[partition.kind];
    if (kind !== undefined) return { reason: `its partition ${printTable(partition)} is ${kind}`, fix: null };
    if (partition.persistence !== 'p') {
      const fix = `alter table ${quoteTable(partition)} set logged;`;
      return { reason: `its partition ${printTable(partition)} is unlogged`, fix };
    }
  }
  return null;
}

/** The target refuses its users' own updates and deletes on a published table without a replica identity. */
function refuseUnkeyed(facts: TableFacts): Refusal | null {
  if (facts.key === null) return { reason: unkeyedReason(facts), fix: keyFix(facts, facts.columns) };
  const strays = facts.partitions.filter((partition) => !agrees(partition, facts.key ?? []));
  const [first] = strays;
  if (first === undefined) return null;
  return {
    reason: `the replica identity of its partition ${printTable(first)} is not the key (${facts.key.join(', ')})`,
    fix: strays
      .map((partition) => `alter table ${quoteTable(partition)} replica identity ${wayOf(partition)};`)
      .join('\n'),
  };
}

function unkeyedReason(facts: TableFacts): string {
  switch (facts.identity) {
    case 'n':
      return 'its replica identity is nothing: publishing it would make its updates and deletes fail';
    case 'f':
      return 'no unique index over not null columns names its rows';
    default:
      return 'it has no primary key, or a deferrable one: publishing it would make its updates and deletes fail';
  }
}

function keyFix(facts: IdentityFacts, columns: readonly ColumnFacts[]): string | null {
  const table = `alter table ${quoteTable(facts)}`;
  if (facts.has_usable_primary_key) return `${table} replica identity default;`;
  if (facts.candidate !== null)
    return `${table} replica identity using index ${quoteIdentifier(facts.candidate)};`;
  if (facts.has_primary_key) return null;
  if (columns.some((column) => column.name === 'id')) return `${table} add primary key (id);`;
  return `${table} add column id bigint generated always as identity primary key;`;
}

/** A partition tells of its rows by the same columns as the whole table, or by all. */
function agrees(partition: IdentityFacts, key: readonly string[]): boolean {
  if (partition.identity === 'f') return true;
  const own = partition.key ?? [];
  return own.length === key.length && key.every((name) => own.includes(name));
}

function wayOf(partition: IdentityFacts): string {
  return partition.has_usable_primary_key ? 'default' : 'full';
}

function refuseGeneratedKey(facts: TableFacts, to: PublishingTo): Refusal | null {
  const key = facts.key ?? [];
  const missing = facts.columns.find((column) => key.includes(column.name) && !isSent(column, to));
  if (missing === undefined) return null;
  return {
    reason: `its key column ${missing.name} is generated and not in the stream of changes`,
    fix: null,
  };
}

/** Since Postgres 18 such a table refuses its users' updates once it is published. */
function refuseVirtualInFull(facts: TableFacts, to: PublishingTo): Refusal | null {
  const isFull = [facts, ...facts.partitions].some((each) => each.identity === 'f');
  if (!isFull || to.version < GENERATED_SINCE) return null;
  if (!facts.columns.some((column) => column.generated === 'v')) return null;
  return {
    reason:
      'its replica identity is full and it has a virtual generated column: its updates and deletes would fail',
    fix: facts.has_usable_primary_key ? `alter table ${quoteTable(facts)} replica identity default;` : null,
  };
}

function refuseRights(facts: TableFacts, to: PublishingTo): Refusal | null {
  const me = quoteIdentifier(facts.me);
  if (!facts.may_read) {
    return {
      reason: `role ${facts.me} may not read it`,
      fix: `grant usage on schema ${quoteIdentifier(facts.schema)} to ${me};\ngrant select on ${quoteTable(facts)} to ${me};`,
    };
  }
  if (facts.is_filtered_by_policy) {
    return {
      reason: `row level security hides rows of it from role ${facts.me}, but the stream of changes holds all`,
      fix: `alter role ${me} bypassrls;`,
    };
  }
  if (facts.is_owner || facts.is_published) return null;
  return {
    reason: `role ${facts.me} does not own it and may not publish it`,
    fix: to.exists
      ? `alter publication ${quoteIdentifier(to.publication)} add table ${quoteTable(facts)};`
      : `grant ${quoteIdentifier(facts.owner)} to ${me};`,
  };
}

function isSent(column: ColumnFacts, to: PublishingTo): boolean {
  return column.generated === '' || (column.generated === 's' && to.version >= GENERATED_SINCE);
}
