import { APPLIED_SQL, type AppliedCommits, readApplied } from '../cache/feed/applied-commits.ts';
import type { Log } from '../core/log.ts';
import type { SourceName } from '../core/names.ts';
import type { StopSignal } from '../core/waiting/stop-signal.ts';
import type { QueryPlan } from '../plan/plan.ts';
import { assemble, type CompiledPlan, compilePlan } from './compiled-plan.ts';
import { type DatabaseBook, Databases } from './databases.ts';
import { type ExplainedRoot, explainPlan } from './explain.ts';
import { firstRefusal } from './first-refusal.ts';
import { GroupReader } from './group-reader.ts';
import { whileNeeded } from './in-order.ts';
import { LongLists } from './long-lists.ts';
import type { ProbeBoard } from './probe-board.ts';
import type { ReadAnswer, ReadRequest } from './read-request.ts';
import { refuseBeyondRoots } from './refuse-token.ts';
import { DEFAULT_READ_SETTINGS, type ReadSettings } from './settings.ts';
import type { SourceGroup } from './source-group.ts';
import { StatusBoard } from './status-board.ts';
import type { WireRow } from './wire/request.ts';
import { SpareBuffers } from './wire/spare-buffers.ts';

/** What a read lane needs. */
export interface ReadLaneOptions {
  readonly watch: DatabaseBook;
  readonly probes: ProbeBoard;
  readonly settings?: Partial<ReadSettings>;
  readonly log: Pick<Log, 'warn'>;
}

/** Answers compiled plans: from caches in one statement per source database, or with rows fetched live. */
export class ReadLane {
  readonly #settings: ReadSettings;
  readonly #buffers = new SpareBuffers();
  readonly #databases: Databases;
  readonly #board: StatusBoard;
  readonly #reader: GroupReader;
  readonly #longLists = new LongLists((plan) => this.compile(plan));

  constructor(options: ReadLaneOptions) {
    this.#settings = { ...DEFAULT_READ_SETTINGS, ...options.settings };
    this.#databases = new Databases(options.watch, this.#settings, this.#buffers);
    this.#board = new StatusBoard(this.#databases, this.#settings, options.log);
    this.#reader = new GroupReader({
      databases: this.#databases,
      board: this.#board,
      probes: options.probes,
      settings: this.#settings,
    });
  }

  /** Prepares a plan for many requests. */
  compile(plan: QueryPlan): CompiledPlan {
    return compilePlan(plan, this.#settings.stringifyNumbers);
  }

  /** Answers one operation. Several source databases are asked at once; of several failures that of the first root field is thrown. */
  async run(request: ReadRequest): Promise<ReadAnswer> {
    try {
      return await this.#answered(this.#longLists.fitted(request));
    } catch (error) {
      throw await firstRefusal(error, request, this.#databases);
    }
  }

  async #answered(request: ReadRequest): Promise<ReadAnswer> {
    const { compiled, values, freshness, signal, introspection } = request;
    if (freshness.tokens.size > 0) await refuseBeyondRoots(request, this.#databases);
    const [only, ...others] = compiled.groups;
    if (only !== undefined && others.length === 0) {
      const { cells, targets } = await this.#reader.read({ group: only, values, freshness, signal });
      return { body: assemble(compiled, [cells], introspection), targets, cursor: cursorOf(compiled, cells) };
    }
    const read = (group: SourceGroup) => (own: StopSignal) =>
      this.#reader.read({ group, values, freshness, signal: own });
    const answers = await whileNeeded(signal, compiled.groups.map(read));
    const cells = answers.map((answer) => answer.cells);
    return {
      body: assemble(compiled, cells, introspection),
      targets: answers.flatMap((answer) => answer.targets),
      // A subscription reads one database.
      cursor: null,
    };
  }

  /** Takes back an answer's bytes, which nobody reads any more: later rows may overwrite them. */
  giveBack(body: Buffer): void {
    this.#buffers.giveBack(body);
  }

  /** Says how an operation would be answered now: SQL, Postgres' plan, and each target's route. */
  async explain(request: Omit<ReadRequest, 'introspection'>): Promise<readonly ExplainedRoot[]> {
    const parts = { reader: this.#reader, databases: this.#databases };
    try {
      return await explainPlan(this.#longLists.fitted(request), parts);
    } catch (error) {
      throw await firstRefusal(error, request, parts.databases);
    }
  }

  /** Reads the state of one source's caches again now, so that reads know at least what a client was just told. */
  refresh(source: SourceName): Promise<void> {
    return this.#board.refresh(source);
  }

  /** By target, the newest of its commits that the source's cache contains. When it is another, rows may have changed. */
  async appliedCommits(source: SourceName): Promise<AppliedCommits> {
    const rows = await this.#databases.source(source).run(APPLIED_SQL, [], { signal: null, prepared: true });
    return readApplied(rows[0]?.[0]?.toString('utf8'));
  }

  /** Ends every session; operations still running fail. */
  async close(): Promise<void> {
    await this.#board.close();
    await this.#databases.close();
  }
}

/** A stream's statement ends with its cursor. */
function cursorOf({ plan }: CompiledPlan, cells: WireRow): string | null {
  return plan.cursor === null ? null : (cells.at(-1)?.toString('utf8') ?? null);
}
