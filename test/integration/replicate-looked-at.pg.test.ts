import { afterEach, expect, test } from 'vitest';
import type { TableRef } from '../../src/core/names.ts';
import { type Settleable, settleable } from '../../src/core/waiting/settleable.ts';
import { FeedRig } from '../support/feed.ts';

// Tables are looked at while their copies wait, begin and end. A copy must be judged by what its table was when it was read.

let rig: FeedRig;
let gates: Gates | null = null;

afterEach(async () => {
  for (const gate of Object.values(gates ?? {})) gate.open();
  await rig?.close();
});

/** Once it is closed, whoever comes to it waits until it is opened. */
class Gate {
  #closed: { readonly reached: Settleable<void>; readonly opened: Settleable<void> } | null = null;

  /** Resolves when somebody waits here. */
  close(): Promise<void> {
    this.#closed = { reached: settleable(), opened: settleable() };
    return this.#closed.reached.promise;
  }

  open(): void {
    this.#closed?.opened.resolve();
    this.#closed = null;
  }

  async pass(): Promise<void> {
    this.#closed?.reached.resolve();
    await this.#closed?.opened.promise;
  }
}

const TABLE = ['create table person (id int primary key, n int)', 'insert into person values (1, 1), (2, 2)'];

interface Gates {
  /** Here copies wait before they begin. */
  readonly copies: Gate;
  /** Here looks at the target wait. */
  readonly looks: Gate;
  /** Here they wait when they have seen the target's tables. */
  readonly judging: Gate;
  /** Here they wait before tables are published. */
  readonly publishing: Gate;
  /** Here it waits whether anything has changed; opened once rows are copied. */
  readonly changes: Gate;
}

let observations = 0;

/** `onPublished` is called with each list of tables that was published, before they are looked at once more. */
async function start(
  onPublished: (tables: readonly TableRef[]) => Promise<unknown> = async () => {},
): Promise<Gates> {
  const [copies, looks, judging] = [new Gate(), new Gate(), new Gate()];
  const [publishing, changes] = [new Gate(), new Gate()];
  rig = await FeedRig.open(TABLE, { person: [] });
  rig.start({
    limits: { schemaPollMs: 600_000 },
    onStep: async (step) => {
      if (step === 'copy:settled') await copies.pass();
      if (step === 'copy:rows-copied') changes.open();
    },
    onConnect: (connector) => {
      const check = connector.check.bind(connector);
      connector.check = async (tables) => {
        await looks.pass();
        const checked = await check(tables);
        await judging.pass();
        return checked;
      };
      const publish = connector.publish.bind(connector);
      connector.publish = async (tables) => {
        await publishing.pass();
        const published = await publish(tables);
        await onPublished(tables);
        return published;
      };
      const observe = connector.observe.bind(connector);
      connector.observe = async () => {
        await changes.pass();
        observations += 1;
        return observe();
      };
    },
  });
  await rig.ready();
  await rig.caughtUp();
  gates = { copies, looks, judging, publishing, changes };
  return gates;
}

/** Runs a statement while only inserts are published: what else it does is missed. */
async function missing(statement: string): Promise<void> {
  const change = `alter publication ${await publication()} set`;
  await rig.target.query(`begin; ${change} (publish = 'insert'); ${statement};
    ${change} (publish = 'insert, update, delete, truncate'); commit`);
}

async function publication(): Promise<string> {
  const { rows } = await rig.target.query<{ name: string }>('select pubname as name from pg_publication');
  return rows[0]?.name ?? '';
}

async function notedShape(): Promise<string> {
  const { rows } = await rig.source.query<{ shape: string }>(
    'select shape::text as shape from nearjoin.cache_table',
  );
  return rows[0]?.shape ?? '';
}

test('a copy that waits for its turn is of the table as it was last looked at, and is not made twice', async () => {
  const { copies } = await start();
  const waits = copies.close();
  await missing('select 1');
  await waits;
  const planned = await notedShape();
  await missing('select 1');
  await rig.until('what the table is now to be noted', async () => (await notedShape()) !== planned);
  copies.open();
  await expectOneCopy();
});

test('nor is one made twice because the look it begins in puts the publication right', async () => {
  const { changes } = await start();
  const copy = (await rig.tableStatus('person'))?.relation;
  void changes.close();
  await rig.target.query(`alter publication ${await publication()} set (publish = 'insert')`);
  await rig.refresh();
  await rig.copiedAgain('person', copy);
  await expectOneCopy();
});

test('nor because its table becomes fit while another is published', async () => {
  await start(async (tables) => {
    if (tables.length === 2) await rig.target.query('alter table late add primary key (id)');
  });
  await rig.target.query('create table other (id int primary key); create table late (id int, n int)');
  await rig.track({ person: [], other: [], late: [] });
  await expectOneCopy('late', 0);
});

/** The table has become ready and stays so, with no more copies made again than that. */
async function expectOneCopy(name = 'person', again = 1): Promise<void> {
  await rig.ready();
  // The index is made by a look at the tables, which comes after the copy is ready.
  await rig.target.query(`create index on ${name} (n)`);
  await rig.refresh();
  await rig.until('another index', async () => {
    const { rows } = await rig.source.query(
      `select from pg_indexes i join nearjoin.cache_table t on i.tablename = t.relation
       where t.state = 'ready' and t.table_name = $1 and indexdef ~ '\\(n\\M'`,
      [name],
    );
    return rows.length > 0;
  });
  expect(rig.log.filter((line) => line.includes('copied again'))).toHaveLength(again);
}

/** A copy begins and ends during a look, and misses a change: resolves before the look goes on. */
async function makeUnseenCopy({ copies, looks }: Pick<Gates, 'copies' | 'looks'>): Promise<void> {
  const waits = copies.close();
  await missing('select 1');
  await waits;
  const looking = looks.close();
  await rig.refresh();
  await looking;
  copies.open();
  await rig.ready();
  await missing('delete from person where id = 1');
}

test('a copy that begins and ends during a look is not called right by it', async () => {
  const { copies, looks } = await start();
  await makeUnseenCopy({ copies, looks });
  const copy = (await rig.tableStatus('person'))?.relation;
  looks.open();
  await rig.copiedAgain('person', copy);
  const { target, cache } = await rig.contents('person');
  expect(cache).toEqual(target);
});

/** Nothing is proved by two probes from here on. */
async function expectNoProof(): Promise<void> {
  const [proved, begun] = [await provedBefore(), observations];
  // The first may have begun before; the second is over when the third begins.
  await rig.until('two probes to be over', async () => observations >= begun + 3);
  expect(rig.probes).toHaveLength(proved);
}

/** With what was under way when the last change was made: that is over when another begins. */
async function provedBefore(): Promise<number> {
  const begun = observations;
  await rig.until('another probe', async () => observations > begun);
  return rig.probes.length;
}

test('nor while that look goes on', async () => {
  const { copies, looks, publishing } = await start();
  await makeUnseenCopy({ copies, looks });
  const publishes = publishing.close();
  looks.open();
  await publishes;
  await expectNoProof();
});

test('a look that has seen what a table is now proves nothing before its copy is judged', async () => {
  const { looks, judging, changes } = await start();
  const [looking, probing] = [looks.close(), changes.close()];
  await Promise.all([rig.refresh(), looking, probing]);
  // A look may have been under way: it must not wait there, or no other would begin.
  const judges = judging.close();
  const copy = (await rig.tableStatus('person'))?.relation;
  await missing('delete from person where id = 1');
  looks.open();
  await judges;
  changes.open();
  await expectNoProof();
  judging.open();
  await rig.copiedAgain('person', copy);
});

test('while a copy is made again, freshness of the others is proved', async () => {
  const { copies } = await start();
  const waits = copies.close();
  await rig.source.query(`drop table nearjoin."${(await rig.tableStatus('person'))?.relation}"`);
  await rig.refresh();
  await waits;
  const before = rig.probes.length;
  await rig.until('proofs', async () => rig.probes.length >= before + 3);
  copies.open();
  await rig.ready();
});
