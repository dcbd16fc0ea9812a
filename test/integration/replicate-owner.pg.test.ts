import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { claimSchema } from '../../src/cache/schema/owner.ts';
import { FeedRig } from '../support/feed.ts';

// Two metadata databases that name the same source.

const OURS = { id: randomUUID(), copyOf: null };
const THEIRS = { id: randomUUID(), copyOf: null };
const COPY = { id: randomUUID(), copyOf: OURS.id };
let rig: FeedRig;

beforeEach(async () => {
  rig = await FeedRig.open(
    ['create table item (id int primary key)', 'insert into item select generate_series(1, 10)'],
    { item: [] },
  );
  const ours = rig.start({ installation: OURS });
  await rig.ready();
  await ours.stop();
  // However slow the machine, the test alone says when it was long ago.
  await heardOf('+', '1 hour');
});

afterEach(() => rig?.close());

/** When a replicator was heard of last. */
async function heardOf(sign: '+' | '-', away: string): Promise<void> {
  await rig.source.query(
    `update nearjoin.feed set updated_at = clock_timestamp() ${sign} interval '${away}'`,
  );
}

async function epoch(): Promise<unknown> {
  return (await rig.source.query('select epoch from nearjoin.feed')).rows[0]?.['epoch'];
}

async function isRefused(said = `kept for another metadata database (id ${OURS.id})`): Promise<void> {
  await rig.until('it to be refused', () => Promise.resolve(rig.log.some((line) => line.includes(said))));
}

test('one that keeps the copies has them to itself, until somebody says otherwise', async () => {
  const before = [await epoch(), (await rig.tableStatus('item'))?.relation];
  rig.start({ installation: THEIRS });
  await isRefused();
  expect([await epoch(), (await rig.tableStatus('item'))?.relation]).toEqual(before);
  await rig.source.query('update nearjoin.installation set owner = null');
  await rig.until('the other to lead', async () => (await epoch()) !== before[0]);
  await rig.caughtUp();
});

test('one that was not heard of for ten seconds is followed by the other', async () => {
  const before = await epoch();
  await rig.source.query(`update nearjoin.installation set owned_at = owned_at - interval '11 seconds'`);
  rig.start({ installation: THEIRS });
  await isRefused();
  await heardOf('-', '1 minute');
  await rig.until('the other to lead', async () => (await epoch()) !== before);
});

test('one that has just come has them to itself, though nobody has heard of its feeds yet', async () => {
  await rig.source.query(`update nearjoin.installation set owner = null`);
  await heardOf('-', '1 minute');
  expect(await claimSchema(rig.source, OURS)).toBe(null);
  expect(await claimSchema(rig.source, THEIRS)).toBe(OURS.id);
});

test('a copy of its metadata database follows it only when it was not heard of for ten minutes', async () => {
  const before = await epoch();
  await rig.source.query(`update nearjoin.installation set owned_at = owned_at - interval '11 minutes'`);
  await heardOf('-', '9 minutes');
  rig.start({ installation: COPY });
  await isRefused(`the metadata database that this one is a copy of (id ${OURS.id})`);
  expect(await epoch()).toBe(before);
  await heardOf('-', '10 minutes');
  await rig.until('the copy to lead', async () => (await epoch()) !== before);
});

test('what only one wants is not removed by the other, which does not want it', async () => {
  await rig.track({});
  const theirs = rig.start({ installation: THEIRS });
  await isRefused();
  await theirs.stop();
  expect((await rig.tableStatus('item'))?.state.kind).toBe('ready');
});
