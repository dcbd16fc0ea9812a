import { afterEach, expect, test } from 'vitest';
import { FeedRig } from '../support/feed.ts';

// Tables are looked at while their copies wait, begin and end. A copy must be judged by what its table was when it was read.

let rig: FeedRig;

afterEach(() => rig?.close());

/** What waits here once it is closed, and goes on when it is opened. */
class Gate {
  #open: () => void = () => undefined;
  #passed: Promise<void> = Promise.resolve();
  readonly #arrived: (() => void)[] = [];
  #isClosed = false;

  close(): void {
    this.#isClosed = true;
    this.#passed = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#isClosed = false;
    this.#open();
  }

  /** Resolves when somebody waits here. */
  reached(): Promise<void> {
    return new Promise((resolve) => this.#arrived.push(resolve));
  }

  async pass(): Promise<void> {
    if (!this.#isClosed) return;
    for (const tell of this.#arrived.splice(0)) tell();
    await this.#passed;
  }
}

const TABLE = ['create table person (id int primary key, n int)', 'insert into person values (1, 1), (2, 2)'];

interface Gates {
  /** Here copies wait before they begin. */
  readonly copies: Gate;
  /** Here looks at the target wait. */
  readonly looks: Gate;
  /** Here it waits whether anything has changed; opened once rows are copied. */
  readonly changes: Gate;
}

async function start(): Promise<Gates> {
  const [copies, looks, changes] = [new Gate(), new Gate(), new Gate()];
  rig = await FeedRig.open(TABLE, { person: [] });
  rig.start({
    limits: { schemaPollMs: 60_000 },
    onStep: async (step) => {
      if (step === 'copy:settled') await copies.pass();
      if (step === 'copy:rows-copied') changes.open();
    },
    onConnect: (connector) => {
      const check = connector.check.bind(connector);
      connector.check = async (tables) => {
        await looks.pass();
        return check(tables);
      };
      const observe = connector.observe.bind(connector);
      connector.observe = async () => {
        await changes.pass();
        return observe();
      };
    },
  });
  await rig.ready();
  await rig.caughtUp();
  return { copies, looks, changes };
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
  copies.close();
  const waits = copies.reached();
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
  changes.close();
  await rig.target.query(`alter publication ${await publication()} set (publish = 'insert')`);
  await rig.refresh();
  await rig.copiedAgain('person', copy);
  await expectOneCopy();
});

/** The table, which was copied before, has become ready once more. */
async function expectOneCopy(): Promise<void> {
  await rig.ready();
  // The index is made by a look at the tables, which comes after the copy is ready.
  await rig.target.query('create index on person (n)');
  await rig.refresh();
  await rig.until('another index', async () => {
    const { rows } = await rig.source.query(
      `select from pg_indexes i join nearjoin.cache_table t on i.tablename = t.relation
       where t.state = 'ready' and indexdef ~ '\\(n\\M'`,
    );
    return rows.length > 0;
  });
  expect(rig.log.filter((line) => line.includes('copied again'))).toHaveLength(1);
}

test('a copy that begins and ends during a look is not called right by it', async () => {
  const { copies, looks } = await start();
  copies.close();
  const waits = copies.reached();
  await missing('select 1');
  await waits;
  looks.close();
  const looking = looks.reached();
  await rig.refresh();
  await looking;
  copies.open();
  await rig.ready();
  await missing('delete from person where id = 1');
  const copy = (await rig.tableStatus('person'))?.relation;
  looks.open();
  await rig.copiedAgain('person', copy);
  const { target, cache } = await rig.contents('person');
  expect(cache).toEqual(target);
});
