import { must } from '../../core/assert.ts';
import { NearjoinError } from '../../core/errors.ts';
import type { SourceName } from '../../core/names.ts';
import { type Lsn, parseLsn } from '../../core/position/lsn.ts';
import type { HistoryName, Token } from '../../core/position/token.ts';
import type { TextValues } from '../../core/postgres/text-values.ts';
import type { StopSignal } from '../../core/waiting/stop-signal.ts';
import { ASK_OUTLIVED } from '../../sql/live/outlived.ts';
import { positionSql } from '../../sql/position.ts';
import { printStatement } from '../../sql/print.ts';
import { sql } from '../../sql/sql.ts';
import type { Databases } from '../databases.ts';
import { readError } from '../error-mapping.ts';
import type { Reached } from '../reading.ts';
import type { WireConnection } from '../wire/connection.ts';
import { PostgresError } from '../wire/failure.ts';
import type { Loan } from '../wire/loans.ts';
import type { AskedStatement } from '../wire/pool.ts';
import type { WireRow } from '../wire/request.ts';

/** A target did not answer. Old rows of it may still be in the cache. */
export class TargetUnavailable extends NearjoinError {
  readonly target: SourceName;

  constructor(target: SourceName, cause: NearjoinError) {
    super('target-unavailable', cause.message, { cause, internal: cause.internal });
    this.name = 'TargetUnavailable';
    this.target = target;
  }
}

/** A table was emptied, rewritten or replaced after the snapshot in which it was read: its rows are not those of any moment. */
export class SnapshotOutlived extends NearjoinError {
  constructor(database: SourceName) {
    super(
      'schema-changed',
      `a table that this reads was emptied or replaced in database "${database}" a moment ago; ask again`,
    );
    this.name = 'SnapshotOutlived';
  }
}

/** A target's failure as an error for clients; TargetUnavailable when it does not answer. */
export function targetError(error: unknown, target: SourceName): unknown {
  const known = readError(error, target, 'target');
  return known instanceof NearjoinError && known.code === 'target-unavailable'
    ? new TargetUnavailable(target, known)
    : known;
}

const IN_FAILED_TRANSACTION = '25P02';

const BEGIN = 'begin isolation level repeatable read';
/** Asks a database how far it is. */
export const ASK_POSITION: AskedStatement = { ...printStatement(sql`select ${positionSql}`), values: [] };

interface TargetSession {
  readonly loan: Loan;
  readonly before: Promise<Lsn | null>;
  readonly after: Promise<Lsn>;
}

/** What the sessions of an answer are opened for. */
export interface SessionsWanted {
  readonly source: SourceName;
  readonly targets: readonly SourceName[];
  /** The source's transaction must be read-only: a native query may try to write. No temporary tables then. */
  readonly isReadOnly: boolean;
  /** Targets with a token are asked how far they are before their snapshot is taken, too. */
  readonly tokens: ReadonlyMap<SourceName, Token>;
}

/** What was borrowed for an answer. */
interface Lent {
  readonly loan: Loan;
  readonly targets: ReadonlyMap<SourceName, Promise<Loan>>;
  readonly wanted: SessionsWanted;
}

/** The sessions of one live answer: one snapshot of the source, one of each target. */
export class LiveSessions {
  /** Whether the source's session can make temporary tables. */
  readonly makesTemps: boolean;
  readonly #signal: StopSignal;
  readonly #source: Loan;
  readonly #begun: Promise<unknown>;
  readonly #targets: ReadonlyMap<SourceName, Promise<TargetSession>>;
  readonly #positions = new Map<SourceName, Reached>();
  readonly #wanted: SessionsWanted;
  /** The first of each session. */
  readonly #failures = new Map<WireConnection, unknown>();

  private constructor({ loan, targets, wanted }: Lent, signal: StopSignal) {
    this.#source = loan;
    this.#wanted = wanted;
    this.makesTemps = !wanted.isReadOnly && loan.connection.facts.makesTemps;
    this.#signal = signal;
    this.#begun = loan.connection.run(`${BEGIN} read ${this.makesTemps ? 'write' : 'only'}`, [], {
      signal,
      prepared: true,
    });
    this.#begun.catch(() => undefined); // told by what follows
    // Before it is known whether each is needed: its set-up then costs no extra round trip.
    this.#targets = new Map([...targets].map(([target, lent]) => [target, this.#begin(target, lent)]));
    for (const session of this.#targets.values()) session.catch(() => undefined); // told when it is needed
  }

  /**
   * Those of the targets come first: while one is waited for, none of the source is held. What keeps one from being had is told
   * when it is needed.
   */
  static async open(databases: Databases, wanted: SessionsWanted, signal: StopSignal): Promise<LiveSessions> {
    const borrow = async (target: SourceName): Promise<Loan> => databases.target(target).borrow(signal);
    const targets = new Map(wanted.targets.map((target) => [target, borrow(target)]));
    await Promise.allSettled(targets.values());
    try {
      const loan = await databases.source(wanted.source).borrow(signal);
      return new LiveSessions({ loan, targets, wanted }, signal);
    } catch (error) {
      for (const lent of targets.values()) lent.then((loan) => loan.release()).catch(() => undefined);
      throw error;
    }
  }

  /** The source's session, whose temporary tables belong to it. */
  get sourceConnection(): WireConnection {
    return this.#source.connection;
  }

  /** Positions of the targets that were read. */
  get positions(): ReadonlyMap<SourceName, Reached> {
    return this.#positions;
  }

  /** Runs a statement in the source's snapshot. */
  async source(text: string, values: TextValues): Promise<readonly WireRow[]> {
    const { connection } = this.#source;
    const [rows] = await Promise.all([this.#run(connection, text, values), this.#begun]);
    return rows;
  }

  /** Throws `SnapshotOutlived` when rows that were read of the source so far were not to be seen in its snapshot. */
  checkSource(): Promise<void> {
    return this.#refuseOutlived(this.#wanted.source, this.sourceConnection);
  }

  /** Throws `SnapshotOutlived` when rows of a target that was read were not to be seen in its snapshot. */
  async checkTargets(): Promise<void> {
    await Promise.all([...this.#positions.keys()].map((target) => this.#checkTarget(target)));
  }

  async #checkTarget(target: SourceName): Promise<void> {
    try {
      const { loan } = await this.#target(target);
      await this.#refuseOutlived(target, loan.connection);
    } catch (error) {
      this.#signal.throwIfAborted();
      throw targetError(error, target);
    }
  }

  /** Runs a statement in a target's snapshot. */
  async target(target: SourceName, text: string, values: TextValues): Promise<readonly WireRow[]> {
    try {
      const session = await this.#target(target);
      const rows = this.#run(session.loan.connection, text, values);
      const [before, after, found] = await Promise.all([session.before, session.after, rows]);
      const { history } = session.loan.connection.facts;
      this.#positions.set(target, reached(before, after, history));
      return found;
    } catch (error) {
      this.#signal.throwIfAborted();
      throw targetError(error, target);
    }
  }

  /** Statements behind the one that failed only report that one did: for these its failure is told. */
  async #run(connection: WireConnection, text: string, values: TextValues): Promise<readonly WireRow[]> {
    try {
      return await connection.run(text, values, { signal: this.#signal, prepared: true });
    } catch (error) {
      const isBehind = error instanceof PostgresError && error.state === IN_FAILED_TRANSACTION;
      if (!isBehind) this.#failures.set(connection, this.#failures.get(connection) ?? error);
      throw isBehind ? (this.#failures.get(connection) ?? error) : error;
    }
  }

  async #refuseOutlived(database: SourceName, connection: WireConnection): Promise<void> {
    const rows = await this.#run(connection, ASK_OUTLIVED, []);
    if (rows[0]?.[0]?.toString('latin1') === 't') throw new SnapshotOutlived(database);
  }

  /**
   * Ends every transaction and gives the sessions back; nobody has to wait for it. Temporary tables stay on success, unless
   * they are dropped.
   */
  close({ succeeded, dropsTemps }: { readonly succeeded: boolean; readonly dropsTemps: boolean }): void {
    const end = succeeded ? 'commit' : 'rollback';
    endTransaction(this.#source, dropsTemps ? [end, 'discard temp'] : [end], succeeded);
    for (const opening of this.#targets.values()) {
      opening.then(({ loan }) => endTransaction(loan, ['rollback'], succeeded)).catch(() => undefined);
    }
  }

  #target(target: SourceName): Promise<TargetSession> {
    return must(this.#targets.get(target), 'session of a target');
  }

  async #begin(target: SourceName, lent: Promise<Loan>): Promise<TargetSession> {
    const loan = await lent;
    const run = (text: string): Promise<readonly WireRow[]> =>
      loan.connection.run(text, [], { signal: this.#signal, prepared: true });
    const position = (): Promise<Lsn> => run(ASK_POSITION.text).then((rows) => positionIn(rows[0]?.[0]));
    const before = this.#wanted.tokens.has(target) ? position() : Promise.resolve(null);
    const begun = run(`${BEGIN} read only`);
    const after = Promise.all([position(), begun]).then(([reachedThere]) => reachedThere);
    for (const one of [before, after]) one.catch(() => undefined);
    return { loan, before, after };
  }
}

/** Positions of one session, in its server's history. */
export function reached(before: Lsn | null, after: Lsn, history: HistoryName | null): Reached {
  return {
    before: before === null ? null : { position: before, history },
    after: { position: after, history },
  };
}

/** The position that a target's statement printed. */
export function positionIn(cell: Buffer | null | undefined): Lsn {
  return parseLsn(must(cell, 'position of a target').toString('latin1'));
}

/** A session that cannot be left as it should be is ended. */
function endTransaction(loan: Loan, statements: readonly string[], succeeded: boolean): void {
  const { connection } = loan;
  // After a failure what still runs may run for long, for an answer nobody waits for. After a success it is at most
  // the set-up of a session that was not needed: a new connection would cost far more than its end.
  const isAbandoned = !succeeded && connection.load > 0;
  const run = (text: string): Promise<unknown> => connection.run(text, [], { signal: null, prepared: true });
  Promise.all(isAbandoned ? [] : statements.map(run))
    .catch(() => connection.close())
    .finally(() => loan.release());
}
