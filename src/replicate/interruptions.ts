import { printTable, type TableRef } from '../core/names.ts';
import type { Relation } from '../core/rows/change.ts';

/** The stream is to be opened anew, with transactions in progress or without them. */
export class AnotherStream extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'AnotherStream';
  }
}

/** A transaction cannot be written before it commits: it must come again, as a whole. */
export class EarlyRefused extends AnotherStream {
  readonly xid: number;

  constructor(xid: number, reason: string) {
    super(`transaction ${xid} is not written before it commits: ${reason}`);
    this.name = 'EarlyRefused';
    this.xid = xid;
  }
}

/** Rows come from a partition that a table did not have when it was looked at: it must be looked at again before they count. */
export class UnknownPartition extends AnotherStream {
  readonly partition: number;

  constructor({ oid, table }: Relation) {
    super(
      `rows come from ${printTable(table)}, a partition that was not there when the tables were looked at`,
    );
    this.name = 'UnknownPartition';
    this.partition = oid;
  }
}

/** Something about one table that a generation of its copy cannot follow: it must be copied again, the others go on. */
export class TableBroken extends Error {
  readonly table: TableRef;
  /** The generation that cannot follow. */
  readonly relation: string;

  constructor(
    { table, relation }: { readonly table: TableRef; readonly relation: string },
    reason: string,
    cause?: unknown,
  ) {
    super(reason, cause === undefined ? undefined : { cause });
    this.name = 'TableBroken';
    this.table = table;
    this.relation = relation;
  }
}
