import type { FieldSchema } from '../../connectors/kafka/values.ts';

/** One column of a made-up table: what the message's schema says of it. */
export type Columns = Readonly<Record<string, FieldSchema>>;

/** What a made-up event says. */
export interface MadeEvent {
  readonly op: string;
  readonly xid?: number;
  readonly previous?: bigint | null;
  readonly order?: number;
  readonly lsn?: bigint;
  readonly table?: string;
  readonly snapshot?: string | null;
  /** Literal JSON, so that numbers keep their digits. */
  readonly before?: string;
  readonly after?: string;
}

const NONE = {
  xid: 1,
  previous: 0n,
  order: 1,
  lsn: 100n,
  table: 'things',
  snapshot: 'false',
  before: 'null',
  after: 'null',
};

/** The bytes of a change event as Connect's JSON converter writes them; without columns they carry no schema. */
export function eventMessage(event: MadeEvent, columns: Columns | null): Buffer {
  const { op, xid, previous, order, lsn, table, snapshot, before, after } = { ...NONE, ...event };
  const sequence = JSON.stringify(JSON.stringify([previous === null ? null : String(previous), String(lsn)]));
  // Debezium does not say where it read rows that it was asked for while it streams.
  const at = snapshot === 'incremental' ? null : lsn;
  const source = `{"version":"3.6.1.Final","connector":"postgresql","name":"shop","ts_ms":1,"snapshot":${JSON.stringify(snapshot)},"db":"shop","sequence":${sequence},"schema":"public","table":"${table}","txId":${xid},"lsn":${at},"xmin":null}`;
  const transaction = `{"id":"${xid}:${lsn}","total_order":${order},"data_collection_order":${order}}`;
  const payload = `{"before":${before},"after":${after},"source":${source},"transaction":${transaction},"op":"${op}","ts_ms":1}`;
  return Buffer.from(columns === null ? payload : `{"schema":${schemaText(columns)},"payload":${payload}}`);
}

/** The bytes of a message of the topic of transactions. */
export function endMessage(xid: number, end: bigint, counts: Readonly<Record<string, number>>): Buffer {
  const collections = Object.entries(counts).map(([name, count]) => ({
    data_collection: name,
    event_count: count,
  }));
  return Buffer.from(
    `{"status":"END","id":"${xid}:${end}","event_count":1,"data_collections":${JSON.stringify(collections)},"ts_ms":1795660091128}`,
  );
}

function schemaText(columns: Columns): string {
  const fields = Object.entries(columns).map(([field, { type, name, hasDefault = false }]) => ({
    type,
    optional: true,
    ...(name === null ? {} : { name, version: 1 }),
    ...(hasDefault ? { default: null } : {}),
    field,
  }));
  const row = (field: string): object => ({ type: 'struct', fields, optional: true, field });
  return JSON.stringify({ type: 'struct', fields: [row('before'), row('after')], optional: false });
}
